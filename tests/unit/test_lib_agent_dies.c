/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_lib_agent_dies.c - libhylics with no agent, a silent one, one that dies, a wrong one
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include "tests/unit/lib_world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/clock.h"
#include "include/hylics.h"
#include "libhylics/lib.h"
#include "tests/unit/lib_trace.h"

#define SIZE ((off_t)WORLD_FILE_BYTES)
#define BIG ((size_t)256 << 10)
#define LINGER_S 5
#define MANY 400	/* moves that an agent's socket does not hold */

static struct world world;

static struct hylics_status status(int sock)
{
	struct hylics_status s = { .state = 99 };

	hylics_status(sock, &s, sizeof(s));
	return s;
}

/* All of the file, or until an error; its errno, 0 if none. */
static int send_all(int sock, off_t off)
{
	while (off < SIZE) {
		ssize_t n = hylics_sendfile(sock, world.file, &off, BIG);

		if (n <= 0)
			return n ? errno : ENODATA;
	}
	return 0;
}

/* A whole connection by itself; true if all of it arrives. */
static bool plain_works(uint32_t reason)
{
	int client, sock = world_pair(&client), num;
	struct world_reader reader;
	struct hylics_status s;

	world_read(&reader, client, 0);
	num = send_all(sock, 0);
	s = status(sock);
	if (s.state != HYLICS_HERE || s.reason != reason || strcmp(s.why, "moved") == 0)
		probe_note("state %u, reason %u (%s)", s.state, s.reason, s.why);
	close(sock);
	return world_read_end(&reader) == (uint64_t)SIZE && num == 0 && s.state == HYLICS_HERE &&
	       s.reason == reason;
}

static bool move_works(void)
{
	uint32_t moves = world.agent->moves;
	int client, sock = world_pair(&client), num;
	struct world_reader reader;

	world_read(&reader, client, 0);
	num = send_all(sock, 0);
	close(sock);
	return world_read_end(&reader) == (uint64_t)SIZE && num == 0 &&
	       world.agent->moves == moves + 1;
}

/* The library of a forked child knows nothing yet: each of these begins anew. */
static void anew(bool (*check)(void), const char *what)
{
	pid_t pid = probe_fork();

	if (pid == 0)
		_exit(check() ? 0 : 1);
	probe_check(probe_join(pid) == 0, "%s", what);
}

/* -- none, or not wanted -- */

static int call_often(void *arg, int turn)
{
	int client, sock = world_pair(&client);
	off_t off = 0;

	(void)arg;
	for (int i = 0; turn && i < 30; i++) {
		if (hylics_sendfile(sock, world.file, &off, 1000) != 1000)
			return -1;
	}
	return 0;
}

static void no_agent(void)
{
	uint64_t before_ms = hy_clock_ms(), seconds;
	int n;

	/* one is made by world_pair() itself */
	n = trace_calls(call_often, NULL, SYS_connect) - 1;
	seconds = (hy_clock_ms() - before_ms) / 1000;
	probe_check(n >= 1 && n <= 1 + (int)seconds,
		    "no agent: 30 calls, %d connect() in %llu s", n, (unsigned long long)seconds);
}

static bool without_agent(void)
{
	return plain_works(HYLICS_NO_AGENT);
}

static bool switched_off(void)
{
	setenv("HYLICS", "off", 1);
	return plain_works(HYLICS_OFF_BY_OPERATOR);
}

static bool not_possible(void)
{
	bool ok;

	world.page->possible = 0;
	world.page->reason = MOVE_DRAINING;
	ok = plain_works(HYLICS_DRAINING);
	world.page->possible = 1;
	return ok && move_works();
}

static bool wrong_version(void)
{
	bool ok;

	world.page->version = HY_PAGE_VERSION + 1;
	ok = plain_works(HYLICS_NO_AGENT);
	world.page->version = HY_PAGE_VERSION;
	return ok;
}

/* -- death -- */

struct death {
	enum world_step at;
	const char *what;
	bool whole;		/* nothing is lost whatever the race; else EPIPE is right as well */
	bool under_way;		/* the socket has not arrived: its client must see a reset */
};

static const struct death deaths[] = {
	{ DIE_JOIN, "before it answers", true },
	{ DIE_JOINED, "after it has answered", false },
	{ DIE_MOVE_UNREAD, "before it reads of the move", false, true },
	{ DIE_MOVE, "when it has the connection", false, true },
	{ DIE_MARKER, "before it sends a slice", false },
	{ DIE_HALF, "within a slice", false },
	{ DIE_SENT, "when a slice is sent", false },
	{ DIE_TOLD, "when it has told so", false },
};

static int send_to_death(int sock, bool nonblock)
{
	struct pollfd p = { .fd = sock, .events = POLLOUT };
	int num = 0;
	off_t off = 0;

	while (num == 0 && off < SIZE) {
		ssize_t n = hylics_sendfile(sock, world.file, &off, BIG);

		if (n <= 0)
			num = n ? errno : ENODATA;
		if (num == EAGAIN)
			num = poll(&p, 1, 10000) == 1 ? 0 : ETIMEDOUT;
	}
	/* what was promised and not sent, the pair tells of */
	p.events = 0;
	if (num == 0 && nonblock && status(sock).state != HYLICS_HERE)
		num = poll(&p, 1, 10000) == 1 ? EPIPE : 0;
	return num;
}

static bool is_right(const struct death *d, bool nonblock)
{
	struct world_reader reader;
	int client, sock = world_pair(&client), num;
	uint64_t got;

	world_read(&reader, client, 0);
	if (nonblock)
		PROBE_TRY(fcntl(sock, F_SETFL, O_NONBLOCK));
	num = send_to_death(sock, nonblock);
	close(sock);
	got = world_read_end(&reader);
	probe_note("%lld bytes, %s", (long long)got, num ? strerror(num) : "no error");
	if (num == 0)
		return got == (uint64_t)SIZE;
	if (d->under_way && !reader.reset) {
		probe_note("it ended like a whole answer");
		return false;
	}
	/* the last byte may have been sent when it died */
	return !d->whole && num == EPIPE && got <= (uint64_t)SIZE;
}

static void dies(const struct death *d, bool nonblock)
{
	pid_t pid;

	world_start(&world);
	atomic_store(&world.agent->die_at, (uint32_t)d->at);
	pid = probe_fork();
	if (pid == 0)
		_exit(is_right(d, nonblock) ? 0 : 1);
	probe_check(probe_join(pid) == 0, "the agent dies %s, %sblocking", d->what,
		    nonblock ? "non-" : "");
	world_wait_dead(&world);
}

static bool is_drained(void *arg)
{
	struct pollfd p = { .fd = *(int *)arg, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

static void set_linger(int sock)
{
	const struct linger own = { .l_onoff = 1, .l_linger = LINGER_S };

	PROBE_TRY(setsockopt(sock, SOL_SOCKET, SO_LINGER, &own, sizeof(own)));
}

/* The program's TCP socket, with its linger. */
static bool is_as_it_was(int sock)
{
	struct linger l = { 0 };
	socklen_t len = sizeof(l);
	int domain = 0;

	PROBE_TRY(getsockopt(sock, SOL_SOCKET, SO_LINGER, &l, &len));
	len = sizeof(domain);
	PROBE_TRY(getsockopt(sock, SOL_SOCKET, SO_DOMAIN, &domain, &len));
	return domain == AF_INET && l.l_onoff && l.l_linger == LINGER_S;
}

static int moved_and_local(struct world_reader *reader)
{
	int client, sock = world_pair(&client);
	off_t off = 0;

	set_linger(sock);
	world_read(reader, client, 0);
	if (hylics_sendfile(sock, world.file, &off, BIG) != (ssize_t)BIG ||
	    status(sock).state == HYLICS_HERE)
		probe_bail("not moved: %s", status(sock).why);
	for (unsigned int i = 0; i < HY_PAGE_SLOTS; i++) {
		if (world.page->slot[i].state == SLOT_MOVED)
			world.page->slot[i].state = SLOT_LOCAL;
	}
	probe_wait_until(is_drained, &sock);
	return sock;
}

static bool gives_back_and_dies(enum world_step at)
{
	struct world_reader reader;
	int sock = moved_and_local(&reader), num;
	uint64_t got;
	bool same;

	atomic_store(&world.agent->die_at, (uint32_t)at);
	world.page->possible = 0;	/* what is taken back is not moved again */
	num = send_all(sock, BIG);
	same = is_as_it_was(sock);
	close(sock);
	got = world_read_end(&reader);
	probe_note("%lld bytes, %s", (long long)got, num ? strerror(num) : "no error");
	if (at == DIE_TAKEN)
		return num == 0 && same && got == (uint64_t)SIZE;
	return num == EPIPE && got == BIG;
}

static bool dies_before_giving_back(void)
{
	return gives_back_and_dies(DIE_TAKE_BACK);
}

static bool dies_after_giving_back(void)
{
	return gives_back_and_dies(DIE_TAKEN);
}

/* -- silence -- */

static bool silent_at_join(void)
{
	lib_agent()->answer_ms = HY_LIB_ANSWER_MS;
	atomic_store(&world.agent->mute, 1);
	return plain_works(HYLICS_NO_AGENT);
}

static bool nobody_is_joined(void *arg)
{
	(void)arg;
	return world.agent->clients == 0;
}

/* The answer comes after nobody waits for it any more: the agent goes on, nothing is lost. */
static bool silent_at_taking_back(void)
{
	struct world_reader reader;
	int sock = moved_and_local(&reader), num;
	uint32_t clients = world.agent->clients;

	lib_agent()->answer_ms = HY_LIB_ANSWER_MS;
	atomic_store(&world.agent->mute, 1);
	num = send_all(sock, BIG);
	atomic_store(&world.agent->mute, 0);
	/* by this the agent knows that the program has not got the socket */
	if (!probe_wait_until(nobody_is_joined, NULL))
		return false;
	close(sock);
	return world_read_end(&reader) == (uint64_t)SIZE && num == 0 &&
	       world.agent->takes == 1 && clients == 1;
}

static bool says_no(void)
{
	uint32_t moves = world.agent->moves;
	struct world_reader reader;
	int sock, num;

	atomic_store(&world.agent->refuse_back, 1);
	sock = moved_and_local(&reader);
	num = send_all(sock, BIG);
	atomic_store(&world.agent->refuse_back, 0);
	close(sock);
	return world_read_end(&reader) == (uint64_t)SIZE && num == 0 &&
	       world.agent->moves == moves + 1;
}

/* -- a message that cannot be sent: all is put back -- */

static bool put_back(int sock, int client)
{
	int epoll = epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = 77 };
	struct world_reader reader;
	off_t off = 0;
	bool ok;

	set_linger(sock);
	PROBE_TRY(epoll_ctl(epoll, EPOLL_CTL_ADD, sock, &ev));
	PROBE_TRY(write(client, "x", 1));
	world_read(&reader, client, 0);
	ok = hylics_sendfile(sock, world.file, &off, BIG) == (ssize_t)BIG;
	ok = ok && is_as_it_was(sock) && status(sock).state == HYLICS_HERE &&
	     epoll_wait(epoll, &ev, 1, 10000) == 1 && ev.data.u32 == 77;
	ok = ok && recv(sock, &off, 1, 0) == 1;
	close(sock);
	close(epoll);
	return world_read_end(&reader) == BIG && ok;
}

static bool is_joined_again(void *arg)
{
	int client, sock = world_pair(&client);
	off_t off = 0;
	ssize_t n = hylics_sendfile(sock, world.file, &off, BIG);
	bool moved = status(sock).state != HYLICS_HERE;

	(void)arg;
	close(sock);
	close(client);
	return n == (ssize_t)BIG && moved;
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void message_does_not_fit(void)
{
	static int clients[MANY], socks[MANY];
	int client, sock, n, fds;

	world_start(&world);
	if (!probe_wait_until(is_joined_again, NULL))
		probe_bail("no move before it");
	kill(world.pid, SIGSTOP);
	for (n = 0; n < MANY; n++) {
		off_t off = 0;

		socks[n] = world_pair(&clients[n]);
		PROBE_TRY(fcntl(socks[n], F_SETFL, O_NONBLOCK));
		(void)!hylics_sendfile(socks[n], world.file, &off, 20000);
		if (status(socks[n]).state == HYLICS_HERE)
			break;
	}
	probe_check(n > 0 && n < MANY, "a stopped agent's socket holds %d moves", n);
	sock = world_pair(&client);
	fds = count_fds();
	probe_check(put_back(sock, client) && count_fds() == fds - 2,
		    "then the socket is put back, its epoll with it");
	kill(world.pid, SIGCONT);
	for (int i = 0; i <= n && i < MANY; i++) {
		close(socks[i]);
		close(clients[i]);
	}
	world_stop(&world);
}

/* -- another agent -- */

static void another_agent(void)
{
	world_start(&world);
	probe_check(probe_wait_until(is_joined_again, NULL) && move_works(), "an agent: joined");
	world_stop(&world);
	probe_check(plain_works(HYLICS_NO_AGENT), "it is killed: plain");
	world_start(&world);
	probe_check(probe_wait_until(is_joined_again, NULL) && move_works(),
		    "its successor is joined");
	world.page->possible = 0;
	world_stop(&world);
	world_start(&world);
	probe_check(probe_wait_until(is_joined_again, NULL),
		    "so is that of one whose last word was no");
}

static void pairs_go_on(void)
{
	int client, sock = world_pair(&client);
	uint32_t joins = world.agent->joins;
	struct world_reader reader;
	off_t off = 0;
	bool ok;

	world_read(&reader, client, 0);
	ok = hylics_sendfile(sock, world.file, &off, BIG) == (ssize_t)BIG &&
	     status(sock).state == HYLICS_HOST;
	atomic_store(&world.agent->drop, 1);
	world_wake(&world);
	probe_check(ok && probe_wait_until(is_joined_again, NULL) &&
		    world.agent->joins == joins + 1, "dropped by the agent: joined again");
	probe_check(status(sock).state == HYLICS_ASKED && send_all(sock, off) == 0,
		    "a connection moved before goes on");
	close(sock);
	probe_check(world_read_end(&reader) == (uint64_t)SIZE, "all bytes are right");
}

/* The number of the library's socket to the agent; no other socket here is of that type. */
static int find_agent(void)
{
	for (int fd = 0; fd < 1024; fd++) {
		int type = 0;
		socklen_t len = sizeof(type);

		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET)
			return fd;
	}
	return -1;
}

/* A program that closes all it does not know closes that one, too, and reuses the number. */
static bool number_is_reused(void)
{
	int client, victim, ours;
	char c;

	if (!move_works())
		return false;
	victim = world_pair(&client);
	ours = find_agent();
	PROBE_TRY(dup2(victim, ours));
	if (!move_works() || recv(client, &c, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN)
		return false;
	/* and the socket that has the number now is still the program's */
	return fcntl(ours, F_GETFD) >= 0 && find_agent() != ours;
}

struct step {
	bool (*check)(void);
	const char *what;
	bool ends;		/* the agent dies of it */
};

static const struct step steps[] = {
	{ switched_off, "HYLICS=off: plain", false },
	{ not_possible, "the page says no: plain, with its reason; then yes: moved", false },
	{ wrong_version, "a page of another version: plain", false },
	{ silent_at_join, "an agent that does not answer: plain", false },
	{ silent_at_taking_back, "one that gives back too late: it goes on", false },
	{ says_no, "one that does not give back: it goes on", false },
	{ number_is_reused, "the program reuses the number of the agent's socket", false },
	{ dies_before_giving_back, "one that dies when asked to give back: EPIPE", true },
	{ dies_after_giving_back, "one that dies when it has given back: all is right", true },
};

int main(void)
{
	probe_begin(100);
	world_open(&world);
	no_agent();
	anew(without_agent, "no agent: plain");
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		world_start(&world);
		anew(steps[i].check, steps[i].what);
		if (steps[i].ends)
			world_wait_dead(&world);
		world_stop(&world);
	}
	world.unsealed = true;
	world_start(&world);
	anew(without_agent, "a page that could shrink: plain");
	world.unsealed = false;
	world_stop(&world);
	for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++) {
		dies(&deaths[i], false);
		if (deaths[i].at != DIE_TOLD)	/* nobody waits to be told */
			dies(&deaths[i], true);
	}
	message_does_not_fit();
	another_agent();
	pairs_go_on();
	world_close(&world);
	return probe_end("an agent that is not there, or not well, costs nothing but the offload");
}
