/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_served.c - a connection the host refused: the agent serves it, and gives it back
 *
 * Runs in: network namespaces of its own, with the real agent
 * Reads from: no untrusted input
 */
#include "tests/agent/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/own.h"

#define SLICE (1u << 20)
#define MANY (3u << 20)
#define LINGER_S 60		/* longer than this test's patience */
#define SMALL 4096
#define HALF (200u << 10)

static int body;

static void set_linger(int sock, int seconds)
{
	const struct linger own = { .l_onoff = 1, .l_linger = seconds };

	PROBE_TRY(setsockopt(sock, SOL_SOCKET, SO_LINGER, &own, sizeof(own)));
}

/* With a header before the move, and a slice behind it, as servers do. */
static struct player *serve(unsigned int k)
{
	player_open(k);
	player_plain(k, 240);
	set_linger(scene.player[k].server, LINGER_S);
	player_give(k);
	if (!player_slice(k, body, 0, SLICE, -1))
		probe_bail("the pair is full at once");
	if (!UNTIL(scene.page->slot[k].state == SLOT_LOCAL))
		probe_bail("the connection is not refused");
	return &scene.player[k];
}

static void test_bytes_are_right(void)
{
	struct player *p = serve(0);

	probe_check(scene.page->slot[0].reason == MOVE_NO_TWIN, "the page has the reason: %s",
		    move_reason_name(scene.page->slot[0].reason));
	for (unsigned int i = 0; i < 40; i++) {
		player_plain(0, 1 + i * 997);
		UNTIL(player_slice(0, body, i * 1001, 1 + i * i * 1300, -1));
	}
	probe_check(UNTIL(player_all_read(0)), "%llu bytes down are right",
		    (unsigned long long)p->read);
	probe_check(scene.page->slot[0].slice >= HY_SLICE_MIN,
		    "the program knows how long its slices should be: %u",
		    scene.page->slot[0].slice);
	player_client_sends(0, MANY, 0);
	probe_check(UNTIL(p->up_read == MANY) && !p->up_wrong, "%u bytes up are right", MANY);
	player_close(0);
}

static void test_both_ways_stalled(void)
{
	struct player *p = serve(1);
	unsigned int n = 0;

	p->stalls = p->reads_not = true;
	while (player_slice(1, body, 0, SLICE, -1))
		n++;
	scene_idle(50);
	while (player_slice(1, body, 0, SLICE, -1))
		n++;
	probe_check(n > 4 && n < 60, "a client that reads nothing stops the program: %u slices", n);
	p->stalls = false;
	probe_check(UNTIL(player_all_read(1)), "and has all of them in the end");
	player_client_sends(1, 100000, 0);
	p->reads_not = false;
	probe_check(UNTIL(p->up_read == 100000) && !p->up_wrong, "the other way, too");
	player_close(1);
}

static void test_ends(void)
{
	struct player *p = serve(2);

	player_plain(2, 10);
	PROBE_TRY(shutdown(p->pair, SHUT_WR));
	probe_check(UNTIL(p->eof) && player_all_read(2),
		    "the program's FIN comes behind all it said");
	player_client_sends(2, 50, 0);
	probe_check(UNTIL(p->up_read == 50), "the client may go on speaking");
	PROBE_TRY(shutdown(p->client, SHUT_WR));
	probe_check(UNTIL(p->up_eof), "until it ends");
	probe_check(UNTIL(scene.page->slot[2].state == SLOT_GONE), "then nothing is left");
	p = serve(3);
	PROBE_TRY(shutdown(p->client, SHUT_WR));
	probe_check(UNTIL(p->up_eof), "the client's FIN reaches the program");
	player_plain(3, 70000);
	hy_fd_close(&p->pair);
	probe_check(UNTIL(p->eof || p->error) && p->eof && player_all_read(3),
		    "what it says and closes behind goes out whole");
	probe_check(UNTIL(scene.page->slot[3].state == SLOT_GONE), "and it is gone");
}

static void test_resets(void)
{
	const struct linger now = { .l_onoff = 1 };
	struct player *p = serve(4);

	UNTIL(player_all_read(4));
	PROBE_TRY(setsockopt(p->client, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	hy_fd_close(&p->client);
	probe_check(UNTIL(p->up_eof || p->up_error), "the client's reset ends the pair");
	p = serve(5);
	p->reads_not = true;
	UNTIL(player_all_read(5));
	player_client_sends(5, 1000, 0);
	UNTIL(recv(p->pair, &(char){ 0 }, 1, MSG_PEEK | MSG_DONTWAIT) == 1);
	hy_fd_close(&p->pair);
	probe_check(UNTIL(p->eof || p->error) && p->error == ECONNRESET,
		    "a program that leaves bytes unread resets its client");
}

static void test_file_that_shrinks(void)
{
	struct player *p = serve(6);
	int fd = scene_file("short", O_RDWR | O_CREAT | O_TRUNC);

	UNTIL(player_all_read(6));
	PROBE_TRY(ftruncate(fd, 1000));
	player_slice(6, fd, 0, 2000, -1);
	probe_check(UNTIL(p->eof || p->error) && p->error == ECONNRESET,
		    "a file with less than was promised is a reset, no end");
	player_close(6);
	close(fd);
}

static void test_tell(void)
{
	hy_autofd tell = (int)PROBE_TRY(eventfd(0, EFD_CLOEXEC));
	struct player *p = serve(7);
	uint64_t n = 0;

	player_slice(7, body, 0, SLICE, tell);
	PROBE_TRY(fcntl(tell, F_SETFL, O_NONBLOCK));
	probe_check(UNTIL(n || read(tell, &n, sizeof(n)) > 0) && n == 1,
		    "who waits for a slice is told");
	UNTIL(player_all_read(7));
	probe_check(player_all_read(7), "when it is in the socket");
	player_close(7);
	(void)p;
}

static bool lingers(int sock)
{
	struct linger l = { 0 };
	socklen_t len = sizeof(l);

	PROBE_TRY(getsockopt(sock, SOL_SOCKET, SO_LINGER, &l, &len));
	return l.l_onoff;
}

static void test_given_back(void)
{
	struct player *p = serve(8);

	probe_check(UNTIL(player_all_read(8)) && UNTIL(player_take_back(8)),
		    "the socket comes back");
	probe_check(!(fcntl(p->server, F_GETFL) & O_NONBLOCK) && !lingers(p->server),
		    "as it was, but its close() will not wait");
	player_plain(8, 5000);
	probe_check(UNTIL(player_all_read(8)), "and goes on where it was");
	probe_check(UNTIL(scene.page->slot[8].state == SLOT_GONE), "the slot is free");
	player_give(8);
	player_slice(8, body, 7, 70000, -1);
	probe_check(UNTIL(player_all_read(8)), "and may be given again");
	player_close(8);
	p = serve(9);
	p->reads_not = true;
	player_client_sends(9, 10, 0);
	UNTIL(recv(p->pair, &(char){ 0 }, 1, MSG_PEEK | MSG_DONTWAIT) == 1);
	probe_check(player_take_back(9) == 0, "but not with bytes under way");
	player_close(9);
}

/* Whoever waited in a close() would serve nobody, and start no successor. */
static bool nobody_waits(unsigned int k)
{
	struct player *p = serve(k);

	if (!UNTIL(player_all_read(k)))
		return false;
	player_close(k);
	scene_kill_agent();
	hy_fd_close(&scene.sock);
	scene_join();
	return !p->error;
}

static struct player *serve_slow_client(unsigned int k)
{
	const int small = SMALL, room = HALF;
	struct player *p;

	player_open(k);
	p = &scene.player[k];
	p->stalls = true;
	PROBE_TRY(setsockopt(p->client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)));
	PROBE_TRY(setsockopt(p->server, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)));
	set_linger(p->server, LINGER_S);
	player_give(k);
	return p;
}

static void test_closed_while_the_client_sleeps(void)
{
	struct player *p = serve_slow_client(12);
	int watch;

	if (!player_slice(12, body, 0, HALF, -1))
		probe_bail("the pair is full at once");
	hy_fd_close(&p->pair);
	probe_check(UNTIL(scene.page->slot[12].state == SLOT_GONE),
		    "closed, before the client has read a byte");
	probe_check(nobody_waits(13), "agent and holder do not wait for it");
	p->stalls = false;
	probe_check(UNTIL(p->eof || p->error) && p->eof && player_all_read(12),
		    "and it gets everything, then the end");
	player_close(12);
	p = serve_slow_client(14);
	if (!UNTIL(scene.page->slot[14].state == SLOT_LOCAL))
		probe_bail("the connection is not refused");
	watch = fcntl(p->pair, F_DUPFD_CLOEXEC, 0);
	if (player_take_back(14) != 1)
		probe_bail("the socket does not come back");
	set_linger(p->server, LINGER_S);
	while (send(p->server, &(uint8_t[SMALL]){ 0 }, SMALL, MSG_DONTWAIT) > 0)
		;
	hy_fd_close(&p->server);
	hy_fd_close(&watch);		/* only now the agent closes its own, the last one */
	probe_check(nobody_waits(15), "nor with a socket they have given back");
	player_close(14);
}

static void test_agent_killed(void)
{
	struct player *p = serve(10);
	unsigned int n = 0;

	for (unsigned int i = 0; i < 10; i++) {
		for (unsigned int j = 0; j < 5; j++) {
			player_plain(10, 100 + i * 77);
			n += player_slice(10, body, i * 1000, 300000 + i, -1);
		}
		player_client_sends(10, 30000, i * 30000u);
		scene_patience();
		for (unsigned int j = 0; j < i; j++)
			scene_round();
		scene_kill_agent();
		if (p->error || p->up_error)
			break;
	}
	if (p->error || p->up_error)
		probe_note("it was killed in the middle of a step, and reset");
	else
		probe_check(UNTIL(player_all_read(10) && p->up_read == 300000) && !p->up_wrong,
			    "ten agents on, %u slices are right", n);
	probe_check(!p->read_wrong && !p->up_wrong && !p->eof, "no wrong byte, and no false end");
	player_close(10);
}

/* The last of those who hold a connection dies in the middle of a body. */
static void test_all_killed(void)
{
	struct player *p;

	/* the agent this program had joined was killed in the test before */
	hy_fd_close(&scene.sock);
	scene_join();
	p = serve(11);
	p->stalls = true;
	while (player_slice(11, body, 0, SLICE, -1))
		;
	PROBE_TRY(kill(scene.agent, SIGKILL));
	PROBE_TRY(waitpid(scene.agent, NULL, 0));
	probe_check(UNTIL(p->up_eof || p->up_error), "agent and holder are killed");
	p->stalls = false;
	probe_check(UNTIL(p->eof || p->error) && p->error == ECONNRESET && !p->read_wrong,
		    "the client sees a reset in the middle of a body, and no end");
}

int main(int argc, char **argv)
{
	scene_open(100, argc > 1 ? argv[1] : "hylics-agent");
	scene.answer = REFUSE;
	scene_start(NULL, NULL);
	scene_join();
	body = scene_file("body", O_RDONLY);
	test_bytes_are_right();
	test_both_ways_stalled();
	test_ends();
	test_resets();
	test_file_that_shrinks();
	test_tell();
	test_given_back();
	test_closed_while_the_client_sleeps();
	test_agent_killed();
	test_all_killed();
	scene_close();
	return probe_end("a refused connection is served byte by byte, and given back");
}
