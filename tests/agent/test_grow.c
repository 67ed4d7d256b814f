/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_grow.c - markers that become longer: at the host's, in the guest, between agents
 *
 * Runs in: network namespaces of its own, with the real agent
 * Reads from: no untrusted input
 */
#include "tests/agent/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/own.h"

#define SLICE (100u << 10)
#define MORE (50u << 10)
#define IDLE_ROUNDS 30

static int body;
static unsigned int next;

/* A connection whose first marker grows; told, and not yet sent. The @k-th is the @k-th offered. */
static unsigned int move(void)
{
	unsigned int k = next++;

	player_open(k);
	player_plain(k, 240);
	player_give(k);
	if (!player_grows(k, body, 0, SLICE) || !UNTIL(scene.page->slot[k].state == SLOT_MOVED) ||
	    !UNTIL(copy_of(k)->got == SLICE))
		probe_bail("no connection with a marker that grows");
	return k;
}

static bool is_out(unsigned int k)
{
	return (player_word(k) & GROW_OUT) != 0;
}

static void test_told_when_all_was_sent(void)
{
	unsigned int k;
	struct copy *c;

	scene.hold_sent = true;
	k = move();
	c = copy_of(k);
	probe_check(player_adds(k, MORE), "more is added");
	probe_check(player_adds(k, MORE), "and more");
	scene_idle(IDLE_ROUNDS);
	probe_check(c->got == SLICE && c->items == 1, "nobody is woken for it");
	copy_sent(c, SLICE - 1);
	scene_idle(IDLE_ROUNDS);
	probe_check(c->got == SLICE, "nor told before all that was told is sent");
	copy_sent(c, SLICE);
	probe_check(UNTIL(c->got == SLICE + 2 * MORE) && c->items == 2 && copy_heard_all(k),
		    "then it is told, as one piece");
	probe_check(player_adds(k, MORE) && !is_out(k), "still more");
	copy_sent(c, c->got);
	probe_check(UNTIL(copy_heard_all(k)) && c->items == 3, "told likewise");
	copy_sent(c, c->got);
	probe_check(UNTIL(is_out(k)) && !player_adds(k, 1),
		    "when nothing more comes, nothing more can");
	probe_check(scene.page->slot[k].taken == 1, "it was one marker");
	player_grows(k, body, 7, SLICE);
	probe_check(UNTIL(copy_heard_all(k)), "the next one wakes the agent");
	copy_sent(c, c->got);
	scene.hold_sent = false;
	player_close(k);
}

static void behind_it(const char *what, void (*say_it)(unsigned int k))
{
	unsigned int k;
	struct copy *c;

	scene.hold_sent = true;
	k = move();
	c = copy_of(k);
	(void)player_adds(k, MORE);
	say_it(k);
	probe_check(UNTIL(copy_heard_all(k)) && (player_word(k) & GROW_FINAL) && !is_out(k),
		    "%s stands behind it: what was added goes first, and nothing more is", what);
	copy_sent(c, SLICE + MORE);
	probe_check(UNTIL(is_out(k)), "sent, it is taken out");
	scene.hold_sent = false;
	copy_sent(c, c->got);
	player_plain(k, 10);
	probe_check(UNTIL(copy_heard_all(k)), "and all goes on");
	player_close(k);
}

static void plain_bytes(unsigned int k)
{
	player_plain(k, 333);
}

static void another_marker(unsigned int k)
{
	player_slice(k, body, 9, 1000, -1);
}

static void test_its_end_behind_it(void)
{
	unsigned int k;

	scene.hold_sent = true;
	k = move();
	(void)player_adds(k, MORE);
	PROBE_TRY(shutdown(scene.player[k].pair, SHUT_WR));
	probe_check(UNTIL(copy_of(k)->shut) && copy_heard_all(k), "an end stands behind it");
	scene.hold_sent = false;
	copy_sent(copy_of(k), copy_of(k)->got);
	player_close(k);
	k = (scene.hold_sent = true, move());
	(void)player_adds(k, MORE);
	hy_fd_close(&scene.player[k].pair);
	probe_check(UNTIL(copy_of(k)->closed) && copy_of(k)->got == SLICE + MORE &&
			    copy_heard_right(k), "a close stands behind it");
	scene.hold_sent = false;
	copy_sent(copy_of(k), copy_of(k)->got);
	player_close(k);
}

/* Pieces count: the host takes no more of them at once than items. */
static void test_no_more_pieces_than_items(void)
{
	unsigned int k, most, n = 0;
	struct copy *c;

	scene.hold_sent = true;
	k = move();
	c = copy_of(k);
	(void)player_adds(k, MORE);
	while (n < 30 && player_slice(k, body, n, 1000, -1))
		n++;
	most = n >= HY_ITEMS_MAX - 1 ? HY_ITEMS_MAX : n + 2;
	(void)UNTIL(c->items >= most);
	scene_idle(IDLE_ROUNDS);
	probe_check(c->items == most, "%u markers behind it: %u pieces go ahead", n, c->items);
	scene.hold_sent = false;
	copy_sent(c, c->got);
	probe_check(UNTIL(copy_heard_all(k)), "then the rest");
	player_close(k);
}

static void test_read_here(void)
{
	hy_autofd own = (int)PROBE_TRY(open(scene.dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
	uint8_t piece[SLICE + 3 * MORE];
	unsigned int k;

	probe_fill(piece, sizeof(piece), 0, FILE_STREAM);
	PROBE_TRY(pwrite(own, piece, sizeof(piece), 0));
	scene.file_num = EACCES;
	k = move();
	UNTIL(copy_heard_all(k));
	for (unsigned int i = 0; i < 3; i++) {
		UNTIL(is_out(k));	/* the word is free */
		player_grows(k, i ? own : body, 0, SLICE);
		(void)player_adds(k, MORE);
		scene_round();
		(void)player_adds(k, MORE);
		player_plain(k, i);
		probe_check(UNTIL(copy_heard_all(k)), "%s that is read here grows as well",
			    i ? "a file of the guest's" : "a file");
	}
	scene.file_num = 0;
	player_close(k);
}

static void test_home_in_the_middle(void)
{
	unsigned int k;
	struct copy *c;

	scene.hold_sent = scene.closes = true;
	k = move();
	c = copy_of(k);
	(void)player_adds(k, MORE);
	c->unsent = MORE / 2;
	copy_sent(c, SLICE / 2);
	copy_home(k);
	probe_check(UNTIL(scene.page->slot[k].state == SLOT_LOCAL) && UNTIL(player_all_read(k)),
		    "it comes home: all comes, what was added too");
	UNTIL(is_out(k));
	(void)player_grows(k, body, 3, SLICE);
	(void)player_adds(k, MORE);
	probe_check(UNTIL(player_all_read(k)) && UNTIL(is_out(k)), "and grows in the guest");
	scene.hold_sent = scene.closes = false;
	player_close(k);
}

/* A client that reads nothing keeps the marker in the pair. */
static void test_grows_in_the_guest(void)
{
	const int small = 65536;
	unsigned int k = next++, added = 0;
	struct player *p = &scene.player[k];

	scene.answer = REFUSE;
	player_open(k);
	PROBE_TRY(setsockopt(p->client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)));
	PROBE_TRY(setsockopt(p->server, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)));
	p->stalls = true;
	player_give(k);
	(void)player_grows(k, body, 0, 20 * SLICE);
	UNTIL(scene.page->slot[k].state == SLOT_LOCAL);
	scene_idle(IDLE_ROUNDS);
	while (added < 10 && player_adds(k, SLICE))
		added++;
	probe_check(added == 10 && !is_out(k), "in the guest it grows while it is sent");
	p->stalls = false;
	probe_check(UNTIL(player_all_read(k)) && UNTIL(is_out(k)), "and all of it comes");
	p->stalls = true;
	(void)player_grows(k, body, 0, FILE_BYTES);
	scene_idle(IDLE_ROUNDS);
	(void)player_adds(k, MORE);
	p->stalls = false;
	probe_check(UNTIL(p->error) && !p->eof, "more than the file has: a reset");
	player_close(k);
	scene.answer = ADOPT;
}

/* -- between agents -- */

static void test_next_agent(void)
{
	unsigned int ups = scene.ups, k;
	struct copy *c;

	scene.hold_sent = true;
	k = move();
	c = copy_of(k);
	copy_sent(c, SLICE / 2);
	scene_idle(IDLE_ROUNDS);
	scene_kill_agent();
	probe_check(player_adds(k, MORE), "an agent is dead: more is added");
	UNTIL(scene.ups > ups);
	probe_check(UNTIL(copy_heard_all(k)), "the next one tells it");
	probe_check(player_adds(k, MORE), "and lets it grow");
	copy_sent(c, c->got);
	probe_check(UNTIL(copy_heard_all(k)), "as its predecessor did");
	copy_sent(c, c->got);
	probe_check(UNTIL(is_out(k)), "it is taken out in the end");
	scene.hold_sent = false;
	player_plain(k, 10);
	probe_check(UNTIL(copy_heard_all(k)), "and all goes on");
	player_close(k);
}

static void kill_at(const char *fault, bool plain)
{
	unsigned int ups, k;
	struct copy *c;

	scene_start(fault, NULL);
	scene_join();
	ups = scene.ups;
	next = 0;
	scene.hold_sent = true;
	k = move();
	c = copy_of(k);
	(void)player_adds(k, MORE);
	if (plain)
		player_plain(k, 10);
	copy_sent(c, SLICE);
	scene.hold_sent = false;
	copy_sent(c, c->got);
	UNTIL(scene.ups > ups);
	(void)player_adds(k, MORE);
	player_plain(k, 20);
	probe_check(UNTIL(copy_heard_all(k)) && !scene.player[k].up_eof,
		    "%s%s: all comes, in order", fault, plain ? ", bytes behind it" : "");
	player_close(k);
	scene_stop();
}

/* -- a program that does what the library does not -- */

static void wrong_word(const char *what, void (*spoil)(unsigned int k))
{
	unsigned int k;
	struct player *p;

	scene.hold_sent = true;
	k = move();
	p = &scene.player[k];
	spoil(k);
	copy_sent(copy_of(k), SLICE);
	probe_check(UNTIL(p->up_eof || p->up_error) && UNTIL(copy_of(k)->reset),
		    "%s: that connection is reset", what);
	scene.hold_sent = false;
	player_close(k);
}

static void too_much(unsigned int k)
{
	atomic_fetch_add(&scene.words->word[k], HY_SLICE_MAX);
}

static void another_number(unsigned int k)
{
	atomic_fetch_add(&scene.words->word[k], UINT64_C(1) << GROW_NUMBER_AT);
	atomic_fetch_add(&scene.words->word[k], MORE);
}

static void nothing_at_all(unsigned int k)
{
	atomic_store(&scene.words->word[k], 0);
}

static void all_ones(unsigned int k)
{
	atomic_store(&scene.words->word[k], UINT64_MAX);
}

/* What was told cannot be taken back: the next agent reads the word anew. */
static void test_shrinks(void)
{
	unsigned int k;

	scene.hold_sent = true;
	k = move();
	(void)player_adds(k, MORE);
	copy_sent(copy_of(k), SLICE);
	UNTIL(copy_heard_all(k));
	atomic_fetch_sub(&scene.words->word[k], 1);
	copy_sent(copy_of(k), copy_of(k)->got);
	probe_check(UNTIL(copy_of(k)->reset), "a marker that becomes shorter: a reset");
	scene.hold_sent = false;
	player_close(k);
}

static void test_hostile(void)
{
	wrong_word("a marker longer than one may be", too_much);
	wrong_word("a word of another marker", another_number);
	wrong_word("a word of none", nothing_at_all);
	wrong_word("a word of ones", all_ones);
	test_shrinks();
}

int main(int argc, char **argv)
{
	scene_open(100, argc > 1 ? argv[1] : "hylics-agent");
	scene_start(NULL, NULL);
	scene_join();
	body = scene_file("body", O_RDONLY);
	test_told_when_all_was_sent();
	behind_it("a plain byte", plain_bytes);
	behind_it("a marker", another_marker);
	test_its_end_behind_it();
	test_no_more_pieces_than_items();
	test_read_here();
	test_home_in_the_middle();
	test_next_agent();
	scene_stop();
	next = 0;
	scene_start(NULL, NULL);
	scene_join();
	test_hostile();
	scene_stop();
	next = 0;
	scene_start(NULL, NULL);
	scene_join();
	test_grows_in_the_guest();
	scene_stop();
	kill_at("grow.told:kill", false);
	kill_at("grow.told:kill", true);
	kill_at("grow.close:kill", false);
	kill_at("grow.close:kill", true);
	kill_at("pair.take:kill", false);
	scene_close();
	return probe_end("markers that grow bring all their bytes, in order");
}
