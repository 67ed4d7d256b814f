/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_life.c - sessions end, agents are killed, connections come home: every byte, or a reset
 *
 * Runs in: network namespaces of its own, with the real agent
 * Reads from: no untrusted input
 */
#include "tests/agent/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/own.h"

#define SLICE (200u << 10)

static int body;
static unsigned int next;		/* connections are numbered in the order they are made */

static bool unread_is(unsigned int k, int want)
{
	int n = -1;

	return ioctl(scene.player[k].server, SIOCINQ, &n) == 0 && n == want;
}

static struct player *give_with(enum answer answer, size_t unread)
{
	unsigned int k = next++;

	scene.answer = answer;
	player_open(k);
	player_plain(k, 240);
	player_client_sends(k, unread, 0);
	UNTIL(unread_is(k, (int)unread));
	player_give(k);
	if (!player_slice(k, body, 0, SLICE, -1))
		probe_bail("the pair is full at once");
	if (!UNTIL(scene.page->slot[k].state == (answer == ADOPT ? SLOT_MOVED : SLOT_ASKED) &&
		   scene.n_copies > k))
		probe_bail("the connection is not offered");
	return &scene.player[k];
}

static struct player *give(enum answer answer)
{
	return give_with(answer, 0);
}

/* What a served connection must do: all of it right at its client, and on from there. */
static bool goes_on(unsigned int k)
{
	player_plain(k, 3000);
	player_slice(k, body, 9, 9999, -1);
	return UNTIL(player_all_read(k));
}

static void test_session_lost(void)
{
	unsigned int k = next;

	give(SILENT);
	scene.unknown = true;
	scene_hang_up();
	probe_check(UNTIL(copy_of(k)->resumed) && copy_of(k)->resume.held == HELD_OFFERED,
		    "an offered connection is asked about");
	probe_check(goes_on(k), "unknown to the host, it is served here");
	player_close(k);
	give(SILENT);
	k = next - 1;
	scene.unknown = false;
	scene_hang_up();
	probe_check(UNTIL(scene.page->slot[k].state == SLOT_MOVED) && UNTIL(copy_heard_all(k)),
		    "known to the host, it was adopted");
}

static void test_moved_session_lost(void)
{
	struct player *p = give(ADOPT);
	unsigned int k = next - 1;

	UNTIL(copy_heard_all(k));
	scene.hold_sent = true;
	player_plain(k, 5000);
	player_slice(k, body, 77, 50000, -1);
	UNTIL(copy_heard_all(k));
	scene_hang_up();
	probe_check(UNTIL(copy_of(k)->resumed) && copy_of(k)->resume.held == HELD_MOVED &&
			    copy_of(k)->resume.down == SLICE,
		    "a moved one tells what was taken: %llu",
		    (unsigned long long)copy_of(k)->resume.down);
	scene.hold_sent = false;
	player_slice(k, body, 5, 6000, -1);
	probe_check(UNTIL(copy_heard_all(k)), "and goes on");
	copy_of(k)->resumed = false;
	scene.unknown = true;
	scene_hang_up();
	probe_check(UNTIL(player_ended(p)), "unknown to the host, it is lost");
	scene.unknown = false;
}

/* The copy's unread bytes, 240 and 5000 unsent, and a slice that was half heard. */
static void test_home(void)
{
	struct player *p;
	unsigned int k;

	scene.hold_sent = true;
	p = give_with(ADOPT, 700);
	k = next - 1;
	player_client_sends(k, 300, 700);
	UNTIL(copy_heard_all(k));
	/* the program has 600 of the 700, which the copy does not know yet */
	copy_says_up(k, 0, 600, 0);
	UNTIL(p->up_read == 600 && copy_of(k)->taken == 600);
	copy_of(k)->taken = 0;
	player_plain(k, 700);
	UNTIL(copy_heard_all(k));
	copy_of(k)->got -= 1000;
	copy_home(k);
	probe_check(UNTIL(copy_of(k)->home_taken) && copy_of(k)->home_answer == MOVE_DONE,
		    "a connection comes home, in the middle of a slice");
	say(MSG_HOME_DONE, copy_of(k)->id, NULL, 0);
	probe_check(UNTIL(scene.page->slot[k].state == SLOT_LOCAL), "and lives here");
	probe_check(goes_on(k), "every byte comes to its client");
	probe_check(UNTIL(p->up_read == 1000) && !p->up_wrong, "and to the program");
	scene.hold_sent = false;
}

/* The connection of the test before. */
static void test_given_back(void)
{
	unsigned int k = next - 1;

	probe_check(UNTIL(player_take_back(k)), "which gets its socket back");
	player_plain(k, 100);
	probe_check(UNTIL(player_all_read(k)), "and goes on with it");
	player_close(k);
}

static void test_home_refused_by_the_worker(void)
{
	struct player *p = give(ADOPT);
	unsigned int k = next - 1;

	UNTIL(copy_heard_all(k));
	copy_home(k);
	UNTIL(copy_of(k)->home_taken);
	scene_hang_up();
	probe_check(UNTIL(copy_of(k)->resumed) && copy_of(k)->resume.held == HELD_REBUILT,
		    "a rebuilt connection is asked about");
	player_plain(k, 10);
	probe_check(UNTIL(copy_heard_all(k)), "the host has it still: it goes on there");
	copy_home(k);
	UNTIL(copy_of(k)->home_taken);
	scene.unknown = true;
	scene_hang_up();
	probe_check(UNTIL(scene.page->slot[k].state == SLOT_LOCAL) && goes_on(k),
		    "the host has it no more: it goes on here");
	scene.unknown = false;
	probe_check(!p->read_wrong && !p->error, "without a wrong byte");
	player_close(k);
}

static void test_asked_home(void)
{
	unsigned int k, i;

	give(ADOPT);
	k = next - 1;
	for (i = 0; i < 2 * HY_HOME_PLAIN_ITEMS && !copy_of(k)->home_asked; i++) {
		player_plain(k, 100);
		if (!UNTIL(copy_heard_all(k)))
			break;
	}
	probe_check(UNTIL(copy_of(k)->home_asked) && i >= HY_HOME_PLAIN_ITEMS,
		    "after %u small pieces it is asked home", i);
	player_close(k);
}

static void test_agent_killed(void)
{
	struct player *p = give(ADOPT);
	unsigned int k = next - 1;

	UNTIL(copy_heard_all(k));
	scene.hold_sent = true;
	player_plain(k, 3000);
	player_slice(k, body, 50, 60000, -1);
	UNTIL(copy_heard_all(k));
	scene_kill_agent();
	scene.hold_sent = false;
	player_plain(k, 100);
	probe_check(UNTIL(copy_heard_all(k)) && copy_of(k)->resume.held == HELD_MOVED,
		    "the next agent goes on with a moved connection");
	copy_home(k);
	UNTIL(copy_of(k)->home_taken);
	scene.unknown = true;
	scene_kill_agent();
	probe_check(UNTIL(copy_of(k)->resume.held == HELD_REBUILT) && goes_on(k),
		    "and with a rebuilt one, whose unsent bytes outlived it");
	probe_check(!p->error && !p->eof, "without an end");
	scene.unknown = false;
	player_close(k);
	/* pages die with the agent that made them */
	munmap((void *)(uintptr_t)scene.page, sizeof(*scene.page));
	close(scene.sock);
	scene_join();
	give(SILENT);
	k = next - 1;
	scene.unknown = true;
	scene_kill_agent();
	probe_check(goes_on(k), "an offered one the host does not know is served here");
	scene.unknown = false;
	player_close(k);
}

int main(int argc, char **argv)
{
	scene_open(100, argc > 1 ? argv[1] : "hylics-agent");
	scene_start(NULL, NULL);
	scene_join();
	body = scene_file("body", O_RDONLY);
	test_session_lost();
	test_moved_session_lost();
	test_home();
	test_given_back();
	test_home_refused_by_the_worker();
	test_asked_home();
	test_agent_killed();
	scene_stop();
	scene_close();
	return probe_end("sessions and agents come and go, connections stay");
}
