/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_lib_users.c - whoever else uses a socket when libhylics moves it: epolls, children
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include "tests/unit/lib_world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/hylics.h"

#define SIZE ((off_t)WORLD_FILE_BYTES)
#define BIG WORLD_BIG

static struct world world;

/* -- epolls -- */

static void level_triggered(void)
{
	int client, sock = world_nonblock_pair(&client), epoll = epoll_create1(0);
	char c;

	world_watch(epoll, sock, EPOLLIN | EPOLLRDHUP);
	probe_check(world_first(&world, sock) && world_is_moved(sock), "moved with an epoll");
	probe_check(world_reported(epoll, 0) == 0, "nothing is reported that is not there");
	PROBE_TRY(write(client, "x", 1));
	probe_check(world_reported(epoll, -1) == EPOLLIN && read(sock, &c, 1) == 1 && c == 'x',
		    "the client's bytes are reported, with the data");
	probe_check(world_reported(epoll, 0) == 0, "and once they are read no more");
	shutdown(client, SHUT_WR);
	probe_check(world_reported(epoll, -1) == (EPOLLIN | EPOLLRDHUP), "so is its end");
	close(client);
	close(sock);
	close(epoll);
}

/* Bytes that came before the move and were reported, or not yet, are reported by the pair. */
static void unread_bytes(void)
{
	int client, sock = world_nonblock_pair(&client), epoll = epoll_create1(0);
	char c[2];

	world_watch(epoll, sock, EPOLLIN | (uint32_t)EPOLLET);
	PROBE_TRY(write(client, "x", 1));
	probe_check(world_reported(epoll, -1) == EPOLLIN, "a byte before the move");
	probe_check(world_first(&world, sock) && world_is_moved(sock), "moved before it is read");
	probe_check(world_reported(epoll, -1) == EPOLLIN && recv(sock, c, 2, 0) == 1,
		    "it is reported again, and there");
	probe_check(world_reported(epoll, 0) == 0, "and that is all");
	close(client);
	close(sock);
	close(epoll);
}

/* Edges of room come whenever the agent has taken bytes from the pair: they say nothing here. */
static uint32_t edge_beside_room(int epoll)
{
	uint32_t reported;

	do
		reported = world_reported(epoll, -1);
	while (reported == EPOLLOUT);
	return reported;
}

static void edge_triggered(void)
{
	int client, sock = world_nonblock_pair(&client), epoll = epoll_create1(0);

	world_watch(epoll, sock, EPOLLIN | EPOLLOUT | (uint32_t)EPOLLET);
	probe_check(world_reported(epoll, 0) == EPOLLOUT && world_reported(epoll, 0) == 0,
		    "an edge");
	probe_check(world_first(&world, sock) && world_is_moved(sock), "moved");
	probe_check(world_reported(epoll, 0) == EPOLLOUT, "a new edge: there is room");
	PROBE_TRY(write(client, "x", 1));
	probe_check(edge_beside_room(epoll) == (EPOLLIN | EPOLLOUT), "bytes make another");
	close(client);
	close(sock);
	close(epoll);
}

static void one_shot(void)
{
	int client, sock = world_nonblock_pair(&client), epoll = epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT, .data.u64 = WORLD_DATA };

	world_watch(epoll, sock, EPOLLIN | EPOLLONESHOT);
	probe_check(world_first(&world, sock) && world_is_moved(sock), "moved while armed");
	PROBE_TRY(write(client, "x", 1));
	probe_check(world_reported(epoll, -1) == EPOLLIN && world_reported(epoll, 0) == 0,
		    "fires once");
	PROBE_TRY(epoll_ctl(epoll, EPOLL_CTL_MOD, sock, &ev));
	probe_check(world_reported(epoll, 0) == EPOLLIN, "can be armed again");
	close(client);
	close(sock);
	sock = world_nonblock_pair(&client);
	world_watch(epoll, sock, EPOLLOUT | EPOLLONESHOT);
	probe_check(world_reported(epoll, 0) == EPOLLOUT && world_first(&world, sock) &&
		    world_is_shared(sock), "not moved between its event and the next arming");
	close(client);
	close(sock);
	close(epoll);
}

static void several_epolls(void)
{
	int client, sock = world_nonblock_pair(&client), a = epoll_create1(0), b = epoll_create1(0);
	int same = dup(a), outer = epoll_create1(0), other, other_client;

	other = world_nonblock_pair(&other_client);
	world_watch(a, sock, EPOLLIN);
	world_watch(a, other, EPOLLIN);
	world_watch(b, sock, EPOLLIN | EPOLLEXCLUSIVE);
	world_watch(outer, a, EPOLLIN);
	probe_check(world_first(&world, sock) && world_is_moved(sock),
		    "moved with two epolls, one of them with two numbers");
	PROBE_TRY(write(client, "x", 1));
	probe_check(world_reported(a, -1) == EPOLLIN && world_reported(b, -1) == EPOLLIN &&
		    world_reported(same, 0) == EPOLLIN && world_reported(outer, 0) == EPOLLIN,
		    "all report");
	close(client);
	close(sock);
	close(other);
	close(other_client);
	close(a);
	close(b);
	close(same);
	close(outer);
}

static void too_many_epolls(void)
{
	int client, sock = world_nonblock_pair(&client), epolls[HY_LIB_EPOLLS_MAX + 1];

	for (unsigned int i = 0; i <= HY_LIB_EPOLLS_MAX; i++) {
		epolls[i] = epoll_create1(0);
		world_watch(epolls[i], sock, EPOLLIN);
	}
	probe_check(world_first(&world, sock) && world_is_shared(sock),
		    "not moved: too many epolls");
	PROBE_TRY(write(client, "x", 1));
	for (unsigned int i = 0; i <= HY_LIB_EPOLLS_MAX; i++) {
		if (world_reported(epolls[i], -1) != EPOLLIN)
			probe_check(false, "epoll %u reports as before", i);
		close(epolls[i]);
	}
	close(client);
	close(sock);
}

static void another_number(void)
{
	int client, sock = world_nonblock_pair(&client), twice = dup(sock);
	int epoll = epoll_create1(0);

	probe_check(world_first(&world, sock) && world_is_shared(sock),
		    "not moved: another number has it");
	world_watch(epoll, twice, EPOLLIN);
	close(twice);
	close(sock);
	sock = world_nonblock_pair(&client);
	probe_check(world_first(&world, sock) && world_is_moved(sock),
		    "the next one under its number is");
	close(sock);
	close(client);
	close(epoll);
}

/* -- numbers -- */

static void reused_number(void)
{
	int client, sock = world_nonblock_pair(&client), n = sock;
	struct world_reader reader;
	off_t off = 0;

	probe_check(world_first(&world, sock) && world_is_moved(sock), "moved");
	close(sock);
	close(client);
	sock = world_pair(&client);
	if (sock != n) {
		PROBE_TRY(dup2(sock, n));
		close(sock);
	}
	world_read(&reader, client, 0);
	probe_check(!world_is_moved(n), "another socket under the number is not taken for it");
	world.page->possible = 0;
	probe_check(hylics_sendfile(n, world.file, &off, BIG) == (ssize_t)BIG && !world_is_moved(n),
		    "and is sent to as what it is");
	world.page->possible = 1;
	close(n);
	probe_check(world_read_end(&reader) == BIG, "without a marker among the bytes");
}

/* -- children -- */

static _Noreturn void in_child(int moved)
{
	int client, sock = world_pair(&client);
	struct world_reader reader;
	off_t off = BIG;
	bool ok;

	/* the parent's: still usable, as bytes */
	ok = hylics_sendfile(moved, world.file, &off, BIG) == (ssize_t)BIG &&
	     !world_is_moved(moved);
	off = 0;
	world_read(&reader, client, 0);
	close(moved);
	ok = ok && hylics_sendfile(sock, world.file, &off, BIG) == (ssize_t)BIG &&
	     world_is_moved(sock);
	close(sock);
	_exit(ok && world_read_end(&reader) == BIG ? 0 : 1);
}

static void fork_after_the_move(void)
{
	int client, sock = world_pair(&client);
	uint32_t joins = world.agent->joins;
	struct world_reader reader;
	off_t off = 2 * (off_t)BIG;
	pid_t pid;

	world_read(&reader, client, 0);
	probe_check(world_first(&world, sock) && world_is_moved(sock), "moved, then fork");
	pid = probe_fork();
	if (pid == 0)
		in_child(sock);
	probe_check(probe_join(pid) == 0 && world.agent->joins == joins + 1,
		    "the child goes on with it, and joins for itself");
	probe_check(hylics_sendfile(sock, world.file, &off, BIG) == (ssize_t)BIG &&
		    world_is_moved(sock) && world.agent->joins == joins + 1, "so does the parent");
	close(sock);
	probe_check(world_read_end(&reader) == 3 * BIG, "and all bytes are right");
}

/* -- back -- */

static void say_local(void)
{
	for (unsigned int i = 0; i < HY_PAGE_SLOTS; i++) {
		if (world.page->slot[i].state == SLOT_MOVED)
			world.page->slot[i].state = SLOT_LOCAL;
	}
}

static bool is_tcp(int sock)
{
	int domain = 0;
	socklen_t len = sizeof(domain);

	return getsockopt(sock, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_INET;
}

static bool is_drained(void *arg)
{
	struct pollfd p = { .fd = *(int *)arg, .events = POLLOUT };

	/* a pair with nothing in it has room; one marker in it already is a quarter at most */
	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

static void comes_back(void)
{
	int client, sock = world_pair(&client), epoll = epoll_create1(0);
	struct timeval limit = { .tv_sec = 7 }, got = { 0 };
	socklen_t len = sizeof(got);
	struct world_reader reader;
	off_t off = BIG;
	uint32_t ends = world.agent->ends;

	world_read(&reader, client, 0);
	world_watch(epoll, sock, EPOLLIN | EPOLLRDHUP);
	probe_check(world_first(&world, sock) && world_is_moved(sock), "moved");
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	say_local();
	world.page->possible = 0;
	probe_wait_until(is_drained, &sock);
	probe_check(hylics_sendfile(sock, world.file, &off, BIG) == (ssize_t)BIG && is_tcp(sock),
		    "the next call takes it back");
	getsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &got, &len);
	probe_check(got.tv_sec == 7 && !(fcntl(sock, F_GETFL) & O_NONBLOCK),
		    "with its time limit and its O_NONBLOCK");
	probe_check(world_reported(epoll, 0) == 0 && world_wait(&world.agent->ends, ends + 1),
		    "the epoll is told of nothing, the agent lets go");
	world.page->possible = 1;
	off = 2 * (off_t)BIG;
	probe_check(hylics_sendfile(sock, world.file, &off, BIG) == (ssize_t)BIG && !is_tcp(sock),
		    "it can be moved again");
	shutdown(sock, SHUT_WR);
	probe_check(world_reported(epoll, -1) & EPOLLRDHUP, "its epoll works still");
	close(sock);
	close(epoll);
	probe_check(world_read_end(&reader) == 3 * BIG, "all bytes are right");
}

/* Not while bytes are under way, in either direction. */
static void does_not_come_back(void)
{
	int client, sock = world_pair(&client);
	struct pollfd p = { .fd = sock, .events = POLLIN };
	off_t off = BIG;
	char c;

	probe_check(world_first(&world, sock) && world_is_moved(sock), "moved");
	PROBE_TRY(write(client, "x", 1));
	PROBE_TRY(poll(&p, 1, -1));
	say_local();
	probe_wait_until(is_drained, &sock);
	probe_check(hylics_sendfile(sock, world.file, &off, BIG) == (ssize_t)BIG && !is_tcp(sock),
		    "not taken back: unread bytes in the pair");
	probe_check(read(sock, &c, 1) == 1 && c == 'x', "which are there");
	close(sock);
	close(client);
	sock = world_nonblock_pair(&client);
	atomic_store(&world.agent->hold, 1);
	off = BIG;
	probe_check(world_first(&world, sock) && world_wait(&world.agent->moves, 1) &&
		    world_is_moved(sock), "moved, served slowly");
	say_local();
	probe_check(hylics_sendfile(sock, world.file, &off, BIG) == (ssize_t)BIG && !is_tcp(sock),
		    "not taken back: bytes wait in the pair");
	atomic_store(&world.agent->hold, 0);
	world_wake(&world);
	close(sock);
	close(client);
}

static void refused_for_good(void)
{
	int client, sock = world_pair(&client);
	uint32_t moves;
	struct world_reader reader;
	off_t off = BIG;
	ssize_t n;

	world_read(&reader, client, 0);
	probe_check(world_first(&world, sock) && world_is_moved(sock), "moved");
	for (unsigned int i = 0; i < HY_PAGE_SLOTS; i++) {
		if (world.page->slot[i].state == SLOT_MOVED)
			world.page->slot[i].reason = MOVE_MPTCP;
	}
	say_local();
	probe_wait_until(is_drained, &sock);
	moves = world.agent->moves;
	do {
		n = hylics_sendfile(sock, world.file, &off, BIG);
	} while (n > 0 && off < SIZE);
	probe_check(off == SIZE && is_tcp(sock) && world.agent->moves == moves,
		    "taken back with a reason that stays: not offered again");
	probe_check(({ struct hylics_status s; hylics_status(sock, &s, sizeof(s)) == 0 &&
		    strcmp(s.why, "mptcp") == 0; }), "status tells the reason");
	close(sock);
	probe_check(world_read_end(&reader) == (uint64_t)SIZE, "all bytes are right");
	memset((void *)world.page->slot, 0, sizeof(world.page->slot));
}

int main(void)
{
	probe_begin(60);
	world_open(&world);
	world_start(&world);
	level_triggered();
	unread_bytes();
	edge_triggered();
	one_shot();
	several_epolls();
	too_many_epolls();
	another_number();
	reused_number();
	fork_after_the_move();
	comes_back();
	does_not_come_back();
	refused_for_good();
	world_close(&world);
	return probe_end("nobody who uses a socket misses anything when it is moved");
}
