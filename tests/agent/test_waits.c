/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_waits.c - what an agent owes is not lost while it waits: for room, for whose a connection is
 *
 * Runs in: network namespaces of its own, with the real agent
 * Reads from: no untrusted input
 */
#include "tests/agent/scene.h"

#include <fcntl.h>
#include <signal.h>

#define SLICE (300u << 10)
#define IDLE_ROUNDS 30

static int body;

/* The @k-th connection of this program is the k-th that is offered, too. */
static struct player *move(unsigned int k)
{
	player_open(k);
	player_plain(k, 240);
	player_give(k);
	if (!player_slice(k, body, 0, SLICE, -1))
		probe_bail("the pair is full at once");
	if (!UNTIL(scene.page->slot[k].state == SLOT_MOVED))
		probe_bail("the connection is not adopted");
	return &scene.player[k];
}

static void idle(void)
{
	scene_patience();
	for (unsigned int i = 0; i < IDLE_ROUNDS; i++)
		scene_round();
}

static bool heard(unsigned int k)
{
	const struct player *p = &scene.player[k];

	return copy_of(k)->got == player_said(p) - p->before && copy_heard_right(k);
}

static void begin(const char *fault)
{
	scene_start(fault, NULL);
	scene_join();
}

/* -- items -- */

/* Plain bytes and the marker behind them come in one look, and are two items. */
static void test_two_items_of_one_look(void)
{
	struct copy *c = copy_of(0);

	begin(NULL);
	scene.hold_sent = true;
	move(0);
	PROBE_TRY(kill(scene_agent_pid(), SIGSTOP));
	for (unsigned int i = 0; i < HY_ITEMS_MAX / 2; i++) {
		player_plain(0, 10);
		player_slice(0, body, i, 1000, -1);
	}
	PROBE_TRY(kill(scene_agent_pid(), SIGCONT));
	idle();
	probe_check(c->items <= HY_ITEMS_MAX, "%u items go ahead, heads and slices by turns",
		    c->items);
	scene.hold_sent = false;
	copy_sent(c, c->got);
	probe_check(UNTIL(heard(0)), "the rest follows when they were sent");
	scene_stop();
}

int main(int argc, char **argv)
{
	scene_open(100, argc > 1 ? argv[1] : "hylics-agent");
	body = scene_file("body", O_RDONLY);
	test_two_items_of_one_look();
	scene_close();
	return probe_end("nothing is lost that waits");
}
