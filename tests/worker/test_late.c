/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_late.c - segments that came in the middle of a move are given to the copy, and no others
 *
 * Runs in: network namespaces of its own
 * Reads from: no untrusted input
 */
#include "tests/worker/stage.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/own.h"
#include "tcpmove/catch.h"
#include "tests/move/world.h"
#include "tests/probes/tcp_sock.h"

#define REQUEST 1000
#define RTO_MS 200		/* whoever was held for longer may have said a thing again */
#define ATTEMPTS 5

static struct tcp_catch ring;
static int program;
static unsigned int players;
static uint64_t given, dropped;	/* what the worker should have counted */

static bool has_more(void *arg)
{
	return tcp_catch_end(&ring) != *(uint64_t *)arg;
}

/* The connection is frozen, its client does something, and the connection moves. */
static struct tcp_caught moved_meanwhile(unsigned int k, void (*meanwhile)(unsigned int k))
{
	uint64_t place = tcp_catch_end(&ring);
	struct tcp_caught got = { 0 };

	player_open(k);
	player_freeze(k);
	meanwhile(k);
	if (!probe_wait_until(has_more, &place) || !tcp_catch_next(&ring, &place, &got))
		probe_bail("player %u: nothing was caught", k);
	if (!player_move(k))
		probe_bail("player %u cannot be moved", k);
	return got;
}

static void asks(unsigned int k)
{
	player_client_sends(k, 0, REQUEST);
}

static void shuts(unsigned int k)
{
	PROBE_TRY(shutdown(stage.player[k].client, SHUT_WR));
}

static void resets(unsigned int k)
{
	const struct linger reset = { .l_onoff = 1 };

	PROBE_TRY(setsockopt(stage.player[k].client, SOL_SOCKET, SO_LINGER, &reset,
			     sizeof(reset)));
	hy_fd_close(&stage.player[k].client);
}

static void say_late(unsigned int k, const struct tcp_caught *got)
{
	say(MSG_LATE, k, got->segment, (int)got->len);
	given++;
}

/* Return: whether the client had to say nothing again, or was held for long */
static bool a_request(bool *right)
{
	unsigned int k = ++players;
	uint64_t began = hy_clock_ms();
	struct tcp_caught got = moved_meanwhile(k, asks);
	struct player *p = &stage.player[k];
	bool quiet;

	say_late(k, &got);
	*right = UNTIL(p->up == REQUEST) && !p->up_wrong;
	quiet = tcp_sock_info(p->client).tcpi_total_retrans == 0 ||
		hy_clock_ms() - began >= RTO_MS;
	*right &= tcp_sock_wait_acked(p->client);
	say_late(k, &got);
	player_client_sends(k, REQUEST, REQUEST);
	*right &= UNTIL(p->up == 2 * REQUEST) && !p->up_wrong;
	say_late(k, &got);
	say_data(k, 0, REQUEST);
	*right &= UNTIL(player_client_has(k, REQUEST)) && !p->read_wrong;
	player_close(k);
	return quiet;
}

static void requests(void)
{
	bool right = true, quiet = false;

	for (unsigned int i = 0; i < ATTEMPTS && right && !quiet; i++)
		quiet = a_request(&right);
	probe_check(right, "a request that comes late, and comes again, is right");
	probe_check(quiet, "and its client says nothing again");
	probe_check(UNTIL(stage_count("late") == given) && stage_count("late_dropped") == 0,
		    "counted");
}

static void ends(void)
{
	unsigned int k = ++players;
	struct tcp_caught got = moved_meanwhile(k, shuts);

	say_late(k, &got);
	probe_check(UNTIL(stage.player[k].fin), "a FIN comes late");
	player_close(k);
	k = ++players;
	got = moved_meanwhile(k, resets);
	say_late(k, &got);
	probe_check(UNTIL(stage.player[k].ended) && stage.player[k].end == END_RESET,
		    "a reset comes late");
	player_close(k);
}

static void refused(unsigned int k, const void *segment, int len, const char *what)
{
	say(MSG_LATE, k, segment, len);
	dropped++;
	probe_check(UNTIL(stage_count("late_dropped") == dropped) &&
		    stage_count("late") == given && stage.up, "%s: dropped, and counted", what);
}

/* A request is there; what is not its own is told of it, then the request itself. */
static void what_is_none_of_its_own(void)
{
	unsigned int other = ++players, k = ++players;
	struct tcp_caught others = moved_meanwhile(other, resets);
	struct tcp_caught got = moved_meanwhile(k, asks);
	struct player *p = &stage.player[k];
	uint8_t segment[REQUEST + 60];

	refused(k, others.segment, (int)others.len, "a segment of another connection");
	refused(PLAYERS + 5, got.segment, (int)got.len, "one of a connection that is not there");
	memcpy(segment, got.segment, got.len);
	segment[13] |= 2;
	refused(k, segment, (int)got.len, "a SYN");
	memcpy(segment, got.segment, got.len);
	segment[16] ^= 1;
	refused(k, segment, (int)got.len, "one with a wrong checksum");
	refused(k, got.segment, 20, "one that is cut");
	memset(segment, 0xff, sizeof(segment));
	refused(k, segment, sizeof(segment), "ones");
	say_late(k, &got);
	probe_check(UNTIL(p->up == REQUEST) && !p->up_wrong && !p->ended,
		    "and the connection has heard nothing but its own");
	player_close(k);
	player_close(other);
}

/* A copy that is frozen does not hear it, and its client says it again. */
static void on_the_way_home(void)
{
	unsigned int k = ++players;
	struct tcp_caught got = moved_meanwhile(k, asks);
	struct player *p = &stage.player[k];

	say(MSG_HOME, k, NULL, 0);
	if (!UNTIL(p->home_offered))
		probe_bail("no offer home");
	refused(k, got.segment, (int)got.len, "one that comes when the connection is leaving");
	say_home_taken(k, MOVE_ERROR);
	probe_check(UNTIL(p->up == REQUEST) && !p->up_wrong, "and the second one is heard");
	player_close(k);
}

int main(int argc, char **argv)
{
	struct hy_err e = { 0 };
	int fd = -1;

	if (argc != 2)
		probe_bail("usage: %s WORKER", argv[0]);
	stage_open(100, argv[1]);
	if (stage.tun < 0)
		probe_skip_all("no tun device");
	program = tcp_catch_load(&fd, &e);
	if (program < 0)
		probe_skip_all("%s: %s", e.text, strerror(e.num));
	TRY_MOVE(tcp_catch_open(&ring, fd, &move_err));
	close(fd);
	tcp_freeze_use(program);
	stage_start(NULL);
	requests();
	ends();
	what_is_none_of_its_own();
	on_the_way_home();
	stage_stop();
	stage_close();
	tcp_freeze_use(-1);
	tcp_catch_close(&ring);
	close(program);
	return probe_end("segments that come late");
}
