/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_session.c - connections outlive sessions, agents and workers, and go home at any moment
 *
 * Runs in: network namespaces of its own
 * Reads from: no untrusted input
 */
#include "tests/worker/stage.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/moving.h"
#include "tests/probes/tcp_sock.h"

#define FILE_ID 7u

/* Opens, moves, and has the file of the player under FILE_ID + k. */
static struct player *moved(unsigned int k)
{
	player_open(k);
	if (say_file(FILE_ID + k, BODY(k)) != 0 || !player_move(k))
		probe_bail("player %u cannot be moved", k);
	return &stage.player[k];
}

/* The program has gone; in whatever state, that ends it. */
static void away(unsigned int k)
{
	say_end(k, 0, ITEM_RESET);
	probe_check(UNTIL(stage.player[k].ended), "player %u leaves", k);
	player_close(k);
}

/* The new session's first words about a connection; numbers of files are void, too. */
static bool resumed(unsigned int k, uint64_t down)
{
	struct player *p = &stage.player[k];

	say_resume(k, HELD_MOVED, down, p->up);
	if (!UNTIL(p->resumed || p->unknown) || !p->resumed)
		return false;
	return say_file(FILE_ID + k, BODY(k)) == 0;
}

static void slices(unsigned int k, uint64_t pos, uint32_t len, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++, pos += len)
		say_slice(k, pos, FILE_ID + k, len);
}

/* What is agreed on after any interruption: everything from @pos on is said again. */
static void goes_on(unsigned int k, uint64_t pos, const char *after)
{
	struct player *p = &stage.player[k];
	uint64_t end = pos + 3000000;

	slices(k, pos, 1000000, 3);
	say_data(k, end, 1000);
	end += 1000;
	probe_check(UNTIL(player_client_has(k, end)) && p->read == end && !p->read_wrong,
		    "%s: the stream goes on, no byte lost or doubled", after);
	if (!p->fin) {
		player_client_sends(k, p->up, 3000);
		probe_check(UNTIL(p->up >= 3000) && !p->up_wrong,
			    "%s: so do the client's bytes", after);
	}
	say_end(k, end, ITEM_CLOSE);
	probe_check(UNTIL(player_client_ended(k)) && p->eof && UNTIL(p->ended), "%s: and ends",
		    after);
}

/* Something has come that it has not read: the guest is told of it when it may wait for that. */
static bool client_hears(unsigned int k)
{
	int n = 0;

	return ioctl(stage.player[k].client, FIONREAD, &n) == 0 && n > 0;
}

/* -- sessions -- */

static void a_session_is_lost(void)
{
	unsigned int k = 1;
	struct player *p = moved(k);

	stage.policy = UP_HOLD;
	player_client_sends(k, 0, 1000);
	slices(k, 0, 1000000, 3);
	UNTIL(client_hears(k));
	stage_hang_up();
	probe_check(UNTIL(player_client_has(k, 3000000)) && !p->read_wrong,
		    "what was accepted goes out without a session");
	stage_connect();
	stage.policy = UP_TAKE;
	probe_check(resumed(k, 0) && p->resumed_down == 3000000 && p->resumed_up == 0,
		    "resumed, with what was sent and what was taken");
	probe_check(UNTIL(p->up == 1000), "what was offered and not taken comes again");
	goes_on(k, 0, "a new session");
}

static void the_guest_had_taken_more(void)
{
	unsigned int k = 2;
	struct player *p = moved(k);

	stage.policy = UP_HOLD;
	player_client_sends(k, 0, 1000);
	stage_settle(3);
	stage_hang_up();
	stage_connect();
	stage.policy = UP_TAKE;
	p->up = 600;		/* delivered, and the answer was lost */
	probe_check(resumed(k, 0) && p->resumed_up == 600, "what the guest has is read out");
	probe_check(UNTIL(p->up == 1000) && !p->up_wrong, "the rest comes");
	away(k);
}

static void what_does_not_fit_is_reset(void)
{
	struct player *p = moved(3);

	say_data(3, 0, 100);
	UNTIL(p->sent == 100);
	moved(4);
	stage_hang_up();
	stage_connect();
	say_resume(3, HELD_MOVED, 101, 0);
	say_resume(4, HELD_MOVED, 0, 5);
	say_resume(5, HELD_MOVED, 0, 0);
	probe_check(UNTIL(p->unknown) && UNTIL(player_client_ended(3)) && p->error == ECONNRESET,
		    "taken out of the pair, never sent: reset");
	probe_check(UNTIL(stage.player[4].unknown) && UNTIL(player_client_ended(4)) &&
		    stage.player[4].error == ECONNRESET, "delivered, never received: reset");
	probe_check(UNTIL(stage.player[5].unknown), "what never was is unknown");
}

static void alone_for_too_long(void)
{
	struct player *p = moved(6);

	stage_hang_up();
	probe_check(UNTIL(player_client_ended(6)) && p->error == ECONNRESET && !p->read_wrong,
		    "without an agent it is reset in the end, never closed");
	stage_connect();
	say_resume(6, HELD_MOVED, 0, 0);
	probe_check(UNTIL(p->unknown), "and unknown");
}

static void a_close_without_a_session(void)
{
	struct player *p = moved(7);

	slices(7, 0, 200000, HY_ITEMS_MAX);
	say_end(7, 200000 * HY_ITEMS_MAX, ITEM_CLOSE);
	stage_settle(1);
	stage_hang_up();
	probe_check(UNTIL(player_client_ended(7)) && p->eof && !p->read_wrong &&
		    p->read == 200000 * HY_ITEMS_MAX,
		    "a program that has closed needs no session: all of it, then a FIN");
	stage_connect();
}

/* -- workers -- */

static void a_worker_is_killed(void)
{
	unsigned int k = 8;
	struct player *p = moved(k);
	uint64_t inherited = stage_counted("inherited");

	slices(k, 0, 200000, 12);
	UNTIL((player_client_has(k, 500000)));
	stage_kill_worker();
	probe_check(resumed(k, 0) && p->resumed_down >= 500000,
		    "the next worker knows how far it was");
	probe_check(UNTIL(stage_count("inherited") == inherited + 1), "counted");
	goes_on(k, 0, "a killed worker");
}

static void killed_in_mid_upload(void)
{
	unsigned int k = 9;
	struct player *p = moved(k);

	player_client_sends(k, 0, 100000);
	UNTIL(p->up > 0);
	stage_kill_worker();
	probe_check(resumed(k, 0) && UNTIL(p->up == 100000) && !p->up_wrong,
		    "an upload goes on after a killed worker");
	shutdown(p->client, SHUT_WR);
	UNTIL(p->fin);
	stage_kill_worker();
	p->fin = false;
	probe_check(resumed(k, 0) && UNTIL(p->fin), "the client's FIN is told again");
	goes_on(k, 0, "killed while half closed");
}

/* -- home -- */

static void asks_home(unsigned int k)
{
	say(MSG_HOME, k, NULL, 0);
	if (!UNTIL(stage.player[k].home_offered))
		probe_bail("no offer to go home");
}

static bool kept_works(unsigned int k, uint64_t from)
{
	struct player *p = &stage.player[k];
	uint8_t bytes[5000];

	probe_fill(bytes, sizeof(bytes), from, DOWN(k));
	if (send(p->kept, bytes, sizeof(bytes), MSG_NOSIGNAL) != sizeof(bytes))
		return false;
	return UNTIL(player_client_has(k, from + sizeof(bytes))) && !p->read_wrong && !p->error;
}

static void home_while_idle(void)
{
	unsigned int k = 10;
	struct player *p = moved(k);

	say_data(k, 0, 4000);
	UNTIL((player_client_has(k, 4000)));
	asks_home(k);
	probe_check(p->home_down == 4000 && p->home_up == 0, "an idle connection comes home");
	probe_check(player_home(k) && kept_works(k, 4000), "and works there");
	probe_check(UNTIL(stage_count("homed") >= 1), "counted");
	p->adopted = p->home_offered = p->home_done = false;
	p->sent = p->up = 0;
	probe_check(player_move(k), "it moves again under the same number");
	away(k);
}

static void home_in_mid_stream(void)
{
	unsigned int k = 11;
	struct player *p = moved(k);

	stage.policy = UP_HOLD;
	player_client_sends(k, 0, 30000);
	slices(k, 0, 200000, HY_ITEMS_MAX);
	UNTIL(client_hears(k));
	asks_home(k);
	probe_check(p->home_down > 0 && p->home_all > 0, "%llu sent, %u bytes travel home",
		    (unsigned long long)p->home_down, p->home_all);
	probe_check(p->home.rec.recv_len == 30000 && p->home_up == 0, "unread bytes, too");
	stage.policy = UP_TAKE;
	probe_check(player_home(k), "taken");
	probe_check(UNTIL(player_client_has(k, p->home_down)) && p->read == p->home_down &&
		    !p->read_wrong && kept_works(k, p->home_down),
		    "what was sent arrives, and the guest goes on behind it");
	player_close(k);
}

static void home_refused(void)
{
	unsigned int k = 12;
	struct player *p = moved(k);

	stage.policy = UP_HOLD;
	player_client_sends(k, 0, 1000);
	stage_settle(2);
	slices(k, 0, 200000, HY_ITEMS_MAX);
	asks_home(k);
	stage.policy = UP_TAKE;
	say_taken(k, 400, true);	/* on its way when the copy was frozen */
	p->up = 400;
	say_home_taken(k, MOVE_ERROR);
	probe_check(UNTIL(player_client_has(k, 200000 * HY_ITEMS_MAX)) && !p->read_wrong,
		    "refused, it goes on here with what waited");
	probe_check(UNTIL(p->up == 1000) && !p->up_wrong, "and with what was taken meanwhile");
	probe_check(UNTIL(stage_count("home_failed") >= 1), "counted");
	away(k);
}

/* The guest says so at the offer's first message: of the queue most is still to come. */
static void home_when_there_is_no_room(void)
{
	unsigned int k = 17;
	struct player *p = moved(k);

	stage.policy = UP_HOLD;
	player_client_sends(k, 0, 60000);
	tcp_sock_wait_acked(p->client);
	say_data(k, 0, 4000);
	UNTIL((player_client_has(k, 4000)));
	stage.no_room = 3;
	say(MSG_HOME, k, NULL, 0);
	probe_check(UNTIL(p->home_wrong || p->home_offered) && !p->home_wrong,
		    "a second offer's queue comes behind the first one's");
	stage.policy = UP_TAKE;
	probe_check(player_home(k) && kept_works(k, 4000), "and is taken");
	player_close(k);
}

static void home_and_the_session_is_lost(void)
{
	unsigned int k = 13;
	struct player *p = moved(k);

	slices(k, 0, 1000000, 2);
	asks_home(k);
	stage_hang_up();
	stage_connect();
	say_resume(k, HELD_REBUILT, 0, 0);
	probe_check(UNTIL(p->resumed), "an offer home that nobody answered is undone");
	say_file(FILE_ID + k, BODY(k));
	goes_on(k, 0, "a lost offer home");
}

static void home_and_the_worker_is_killed(void)
{
	unsigned int k = 14;
	struct player *p = moved(k);

	slices(k, 0, 200000, 12);
	asks_home(k);
	stage_kill_worker();
	probe_check(resumed(k, 0) && p->resumed_down >= p->home_down,
		    "the next worker undoes what nobody answered");
	goes_on(k, 0, "killed on the way home");
}

static void cancelled_home(void)
{
	unsigned int k = 15;
	struct player *p = moved(k);

	slices(k, 0, 200000, HY_ITEMS_MAX);	/* more than 64 KB unacknowledged: it drains */
	UNTIL(client_hears(k));
	say(MSG_HOME, k, NULL, 0);
	say(MSG_CANCEL, k, NULL, 0);
	probe_check(UNTIL(player_client_has(k, 200000 * HY_ITEMS_MAX) || p->home_offered) &&
		    !p->read_wrong, "asked back while it drains, it stays, or it had gone");
	away(k);
}

static void half_closed_stays(void)
{
	unsigned int k = 16;
	struct player *p = moved(k);
	uint64_t failed = stage_counted("home_failed");

	shutdown(p->client, SHUT_WR);
	UNTIL(p->fin);
	say(MSG_HOME, k, NULL, 0);
	probe_check(UNTIL(stage_count("home_failed") == failed + 1) && !p->home_offered,
		    "a half-closed connection stays");
	goes_on(k, 0, "staying");
}

/* -- leaving -- */

static void everything_goes_home(void)
{
	for (unsigned int k = 20; k < 30; k++) {
		moved(k);
		slices(k, 0, 50000, 4);
	}
	keep_stop(&stage.keep);
	for (unsigned int k = 20; k < 30; k++) {
		if (!UNTIL(stage.player[k].home_offered) || !player_home(k))
			probe_bail("player %u does not come home", k);
	}
	probe_check(UNTIL(stage.keeper_done), "told to end, a worker ends when all are home");
	for (unsigned int k = 20; k < 30; k++) {
		uint64_t down = stage.player[k].home_down;

		if (!UNTIL(player_client_has(k, down)) || stage.player[k].read != down ||
		    !kept_works(k, down))
			probe_check(false, "player %u works at home", k);
		player_close(k);
	}
	probe_check(stage_count("homed") >= 10, "ten came");
}

static void stop_worker(void)
{
	keep_stop(&stage.keep);
	stage_settle(3);
}

static void one_comes_while_the_worker_leaves(void)
{
	struct player *p = &stage.player[33];

	stage_start(NULL);
	player_open(33);
	player_client_sends(33, 0, 30000);
	tcp_sock_wait_acked(p->client);
	stage.before_rest = stop_worker;
	probe_check(player_move(33), "what was offered before the worker is to end is adopted");
	stage.before_rest = NULL;
	probe_check(UNTIL(p->home_offered || !stage.up) && p->home_offered && player_home(33) &&
		    UNTIL(stage.keeper_done),
		    "and goes home again");
}

/* All go home and nobody comes, but the worker stays; what would not go is asked once more. */
static void told_to_move_nothing(void)
{
	struct player *p;

	stage_start(NULL);
	p = moved(34);
	keep_tell(&stage.keep, HY_MOVING_DRAIN);
	probe_check(UNTIL(p->home_offered), "a worker told to move nothing brings all home");
	say_home_taken(34, MOVE_ERROR);
	probe_check(UNTIL(stage_count("home_failed")) && stage_counted("live") == 1,
		    "what is refused stays");
	p->home_offered = false;
	keep_tell(&stage.keep, HY_MOVING_OFF);
	probe_check(UNTIL(p->home_offered) && player_home(34) && kept_works(34, 0),
		    "and is asked once more when it is told again");
	player_open(35);
	probe_check(!player_move(35) && stage.player[35].reason == MOVE_OFF_BY_OPERATOR,
		    "none comes, by the operator's word");
	/* the counts are written now and then: the last drain's must not be taken for this one's */
	UNTIL(stage_count("moving") == HY_MOVING_OFF);
	keep_tell(&stage.keep, HY_MOVING_DRAIN);
	UNTIL(stage_count("moving") == HY_MOVING_DRAIN);
	player_open(36);
	probe_check(!player_move(36) && stage.player[36].reason == MOVE_DRAINING,
		    "or while it drains");
	for (unsigned int k = 34; k <= 36; k++)
		player_close(k);
}

static void the_next_worker_is_told(void)
{
	stage_kill_worker();
	probe_check(UNTIL(stage_count("moving") == HY_MOVING_DRAIN),
		    "the next worker is told, too");
	keep_tell(&stage.keep, HY_MOVING_ON);
	UNTIL(stage_count("moving") == HY_MOVING_ON);
	probe_check(moved(37) && stage.player[37].adopted && !stage.keeper_done,
		    "and moves when it may");
	player_close(37);
}

/* Its last: nobody is there who could be told. */
static void the_keeper_goes(void)
{
	struct player *p;

	stage_start(NULL);
	p = moved(31);
	say_data(31, 0, 100);
	UNTIL((player_client_has(31, 100)));
	stage_lose_keeper();
	probe_check(UNTIL(p->home_offered) && player_home(31) && kept_works(31, 100),
		    "without its keeper a worker brings everything home");
	probe_check(UNTIL(!stage.up), "and ends");
}

/* Keeper and worker at once: the kernel ends the connection, and must not make it look whole. */
static void all_holders_die(void)
{
	struct player *p;

	stage_start(NULL);
	p = moved(32);
	say_data(32, 0, 100);
	UNTIL((player_client_has(32, 100)));
	stage_stop();
	probe_check(UNTIL(player_client_ended(32)) && p->error == ECONNRESET && !p->eof,
		    "when all its holders die, it is a reset and no FIN");
}

int main(int argc, char **argv)
{
	if (argc != 2)
		probe_bail("usage: %s WORKER", argv[0]);
	stage_open(110, argv[1]);
	stage_start(NULL);
	a_session_is_lost();
	the_guest_had_taken_more();
	what_does_not_fit_is_reset();
	alone_for_too_long();
	a_close_without_a_session();
	a_worker_is_killed();
	killed_in_mid_upload();
	home_while_idle();
	home_in_mid_stream();
	home_refused();
	home_when_there_is_no_room();
	home_and_the_session_is_lost();
	home_and_the_worker_is_killed();
	cancelled_home();
	half_closed_stays();
	everything_goes_home();
	stage_stop();
	one_comes_while_the_worker_leaves();
	stage_stop();
	told_to_move_nothing();
	the_next_worker_is_told();
	stage_stop();
	the_keeper_goes();
	stage_stop();
	all_holders_die();
	stage_close();
	return probe_end("connections outlive sessions and workers and go home at any moment");
}
