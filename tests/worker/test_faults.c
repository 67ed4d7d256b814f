/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_faults.c - the worker dies at each of its steps, and the connection goes on
 *
 * Runs in: network namespaces of its own; needs a build with fault steps
 * Reads from: no untrusted input
 *
 * The agent here follows docs/move.md's table: after each new session it says what it holds, and
 * does what the answer means. Whatever step it was, the client gets every byte of a stream and a
 * close, from the host or from the guest.
 */
#include "tests/worker/stage.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

#include "common/fault.h"
#include "tests/probes/tcp_sock.h"

#define FILE_ID 7u
#define TOTAL 3000000u
#define HALF 1500000u
#define UPLOAD 50000u

enum where { OFFERED, MOVED, REBUILT, LOCAL, DEAD };

#define X(step, name, what) name,
static const char *const names[] = { HY_FAULT_STEPS(X) };
#undef X

/* One connection, and what the agent has of it. */
static unsigned int k;
static struct player *p;
static enum where where;
static unsigned int met;		/* sessions already spoken in */

static void say_items(uint64_t until)
{
	uint64_t pos = p->sent;

	if (say_file(FILE_ID, BODY(k)) != 0)
		return;			/* the session is gone again */
	for (; pos < until && stage.up; pos += 250000) {
		uint64_t len = until - pos < 250000 ? until - pos : 250000;

		say_slice(k, pos, FILE_ID, len);
	}
}

static void goes_local(void)
{
	struct hy_err e = { 0 };

	player_route_home(k);
	if (tcp_undo(p->kept, &e) < 0)
		probe_bail("undo: %s", e.text);
	where = LOCAL;
}

static void rebuilt_goes_live(void)
{
	struct hy_err e = { 0 };

	player_route_home(k);
	if (tcp_thaw(p->kept, &e) < 0 || tcp_live(p->kept, &p->home, &e) < 0)
		probe_bail("live: %s", e.text);
	p->sent = p->home_down;
	where = LOCAL;
}

static void was_moved(void)
{
	struct hy_err e = { 0 };

	if (where != MOVED && tcp_silence(p->kept, &e) < 0)
		probe_bail("silence: %s", e.text);
	where = MOVED;
	p->home_offered = false;
}

/* What docs/move.md says to do with each answer. */
static void resume(void)
{
	static const enum move_held held[] = { HELD_OFFERED, HELD_MOVED, HELD_REBUILT };

	if (where == LOCAL || where == DEAD)
		return;
	do {
		if (!UNTIL(stage.up))
			probe_bail("no new session");
		met = stage.ups;
		/* taken out of the pair is what was said to be sent */
		say_resume(k, held[where], where == OFFERED ? 0 : p->sent, p->up);
	} while (UNTIL(p->resumed || p->unknown || !stage.up) && !stage.up);
	if (p->resumed) {
		was_moved();
		p->sent = p->resumed_down;
	} else if (where == OFFERED) {
		goes_local();
	} else if (where == REBUILT) {
		rebuilt_goes_live();
	} else {
		where = DEAD;
	}
}

static bool is_lost(void)
{
	return !stage.up || stage.ups != met;
}

/* Until a condition holds, whatever sessions it takes; then it is resumed, and said again. */
#define THROUGH(condition, again)                                                                  \
	do {                                                                                       \
		while (UNTIL((player_client_has(k, 0), (condition) || is_lost())), is_lost()) {    \
			resume();                                                                  \
			if (where == MOVED)                                                        \
				(again);                                                           \
			else                                                                       \
				break;                                                             \
		}                                                                                  \
	} while (0)

static void moves(void)
{
	player_open(k);
	player_client_sends(k, 0, UPLOAD);
	tcp_sock_wait_acked(p->client);
	where = OFFERED;
	player_move(k);
	if (p->adopted && !is_lost())
		where = MOVED;
	else if (p->refused)
		goes_local();
	else
		resume();
}

static void comes_home(void)
{
	struct hy_err e = { 0 };

	say(MSG_HOME, k, NULL, 0);
	THROUGH(p->home_offered, say(MSG_HOME, k, NULL, 0));
	if (where != MOVED || !p->home_offered)
		return;
	if (tcp_rebuild(p->kept, &p->home, &e) < 0)
		probe_bail("rebuild: %s", e.text);
	where = REBUILT;
	say_home_taken(k, MOVE_DONE);
	UNTIL(p->home_done || is_lost());
	if (p->home_done)
		rebuilt_goes_live();
	else
		resume();
}

/* The guest sends the rest itself. */
static void ends_local(void)
{
	uint8_t piece[50000];
	uint64_t pos = p->sent;

	while (pos < TOTAL) {
		ssize_t n = TOTAL - pos < sizeof(piece) ? (ssize_t)(TOTAL - pos)
							 : (ssize_t)sizeof(piece);

		probe_fill(piece, (size_t)n, pos, DOWN(k));
		n = send(p->kept, piece, (size_t)n, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			break;
		pos += n > 0 ? (uint64_t)n : 0;
		player_client_has(k, 0);
		stage_round();
	}
	shutdown(p->kept, SHUT_WR);
}

/* Half of the stream, and all of the upload, on the host. */
static void first_half(unsigned int step)
{
	say_items(HALF);
	THROUGH(p->sent >= HALF && p->up >= UPLOAD, say_items(HALF));
	if (step != FAULT_RESUME_ANSWER)
		return;
	stage_hang_up();
	stage_connect();
	resume();
}

/* The other half, wherever the connection is now. */
static void second_half(void)
{
	if (where == LOCAL) {
		ends_local();
	} else if (where == MOVED) {
		say_items(TOTAL);
		say_end(k, TOTAL, ITEM_CLOSE);
		THROUGH(p->ended, (say_items(TOTAL), say_end(k, TOTAL, ITEM_CLOSE)));
	}
	UNTIL(player_client_ended(k));
}

static void one_life(unsigned int step)
{
	const char *how = "all bytes";
	char order[64];

	k = 1 + step % (PLAYERS - 1);
	p = &stage.player[k];
	snprintf(order, sizeof(order), "%s:kill", names[step]);
	stage_start(order);
	met = stage.ups;
	moves();
	if (where == MOVED)
		first_half(step);
	if (where == MOVED)
		comes_home();
	second_half();
	if (p->error || p->read != TOTAL)
		how = p->error ? "reset" : "not whole";
	else if (where == LOCAL)
		how = "all bytes, the last of them from the guest";
	probe_check(!p->read_wrong && !p->up_wrong && p->eof && p->read == TOTAL && !p->error,
		    "%s: %s", names[step], how);
	probe_check(stage.keep.restarts == 1, "%s: the worker died there once", names[step]);
	stage_stop();
	player_close(k);
}

/* A step that fails is refused, or stays; the worker goes on. */
static void one_failure(unsigned int step)
{
	char order[64];

	k = 20 + step % 10;
	p = &stage.player[k];
	snprintf(order, sizeof(order), "%s:fail", names[step]);
	stage_start(order);
	met = stage.ups;
	moves();
	probe_check(where == (step == FAULT_HOME_FREEZE ? MOVED : LOCAL) && !p->error,
		    "%s fails: %s", names[step], where == LOCAL ? "refused" : "moved");
	if (where == MOVED) {
		say(MSG_HOME, k, NULL, 0);
		probe_check(UNTIL(stage_count("home_failed") == 1) && !p->home_offered,
			    "and the connection stays");
	}
	second_half();
	probe_check(p->eof && p->read == TOTAL && !p->read_wrong && !stage.keep.restarts,
		    "all bytes arrive, from %s", where == LOCAL ? "the guest" : "the host");
	stage_stop();
	player_close(k);
}

#define CROWD 10u
#define MEMBER(i) (2 * (i) + 2)		/* of one kind: they have one file */
#define FIRST_DEATH "move.restore:kill:6"	/* beyond HY_FRESH_COPIES */

/* All in one read of the worker's: it is not scheduled while they are written. */
static void offer_crowd(uint32_t bytes)
{
	pid_t worker = stage.keep.child.pid;

	PROBE_TRY(kill(worker, SIGSTOP));
	for (unsigned int i = 0; i < CROWD; i++) {
		player_freeze(MEMBER(i));
		player_offer(MEMBER(i), MEMBER(i));
		say_slice(MEMBER(i), 0, FILE_ID, bytes);
	}
	PROBE_TRY(kill(worker, SIGCONT));
}

/* Of many that come at once the first do not wait for the last, which may never be restored. */
static void first_bytes_of_a_crowd(void)
{
	unsigned int have = 0;

	stage_start(FIRST_DEATH);
	for (unsigned int i = 0; i < CROWD; i++)
		player_open(MEMBER(i));
	if (say_file(FILE_ID, BODY(MEMBER(0))) != 0)
		probe_bail("the worker does not open its file");
	offer_crowd(1000);
	if (!UNTIL(!stage.up))
		probe_bail("the worker does not die at " FIRST_DEATH);
	while (have < HY_FRESH_COPIES && UNTIL(player_client_has(MEMBER(have), 1000)) &&
	       !stage.player[MEMBER(have)].read_wrong)
		have++;
	probe_check(have == HY_FRESH_COPIES,
		    "of %u at once %u have their first bytes before the sixth is restored",
		    CROWD, have);
	for (unsigned int i = 0; i < CROWD; i++)
		player_close(MEMBER(i));
	stage_stop();
}

int main(int argc, char **argv)
{
	if (argc != 2)
		probe_bail("usage: %s WORKER", argv[0]);
	stage_open(110, argv[1]);
	for (unsigned int step = FAULT_MOVE_RESTORE; step <= FAULT_RESUME_ANSWER; step++)
		one_life(step);
	one_failure(FAULT_MOVE_RESTORE);
	one_failure(FAULT_MOVE_KEEP);
	one_failure(FAULT_MOVE_LIVE);
	one_failure(FAULT_HOME_FREEZE);
	first_bytes_of_a_crowd();
	stage_close();
	return probe_end("a worker may die at any step: its successor, or the guest, goes on");
}
