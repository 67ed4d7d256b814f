/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_moved.c - a connection that the host has: items, positions, bytes up, ends, files
 *
 * Runs in: network namespaces of its own, with the real agent
 * Reads from: no untrusted input
 */
#include "tests/agent/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/own.h"

#define SLICE (300u << 10)
#define LARGE (2u << 20)
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

static void test_order(void)
{
	struct copy *c = copy_of(0);

	move(0);
	probe_check(UNTIL(copy_heard_all(0)) && c->slices == 1, "the slice is told, in one item");
	probe_check(UNTIL(scene.page->slot[0].slice >= HY_SLICE_MIN),
		    "and when it has gone, how long the next ones should be");
	player_plain(0, 1000);
	player_slice(0, body, 5, 77, -1);
	player_plain(0, 100000);
	player_slice(0, body, FILE_BYTES - 9, 9, -1);
	probe_check(UNTIL(copy_heard_all(0)), "plain bytes and slices come in order: %llu bytes",
		    (unsigned long long)c->got);
	probe_check(scene.files_opened == 1 && strcmp(scene.file_path, "body") == 0,
		    "the file was opened once, by its path");
	probe_check(scene.addresses > 0, "the host knows the guest's addresses");
	probe_check(UNTIL(scene.files_closed == 1), "an unused file is closed");
	player_slice(0, body, 1, 2, -1);
	probe_check(UNTIL(copy_heard_all(0)) && scene.files_opened == 2, "and opened again");
}

/* A look takes what fits one message, and a marker begins wherever it begins. */
static void test_markers_cut_by_a_look(void)
{
	move(1);
	UNTIL(copy_heard_all(1));
	for (size_t n = MOVE_DATA_MAX - 2; n <= MOVE_DATA_MAX + LOCAL_MARKER_LEN + 2; n++) {
		player_plain(1, n);
		UNTIL(player_slice(1, body, n, 3, -1));
		if (!UNTIL(copy_heard_all(1)))
			break;
	}
	probe_check(copy_heard_all(1), "a marker is found wherever a look ends");
}

static void test_ahead(void)
{
	struct copy *c = copy_of(2);
	struct player *p;
	unsigned int most, n = 0;

	scene.hold_sent = true;
	p = move(2);
	while (n < 40 && player_slice(2, body, n, 1000, -1))
		n++;
	most = n + 1 < HY_ITEMS_MAX ? n + 1 : HY_ITEMS_MAX;
	(void)UNTIL(c->items >= most);
	scene_idle(IDLE_ROUNDS);
	probe_check(c->items == most, "%u items go ahead, of %u said", c->items, n + 1);
	copy_sent(c, SLICE + 500);
	scene_idle(IDLE_ROUNDS);
	copy_sent(c, c->got);
	scene.hold_sent = false;
	probe_check(UNTIL(copy_heard_all(2)), "the rest follows when they were sent");
	scene.hold_sent = true;
	player_plain(2, MOVE_DATA_MAX + 1000);
	(void)UNTIL(player_said(p) - p->before - c->got <= 1000);
	scene_idle(IDLE_ROUNDS);
	probe_check(player_said(p) - p->before - c->got == 1000,
		    "plain bytes go ahead by no more than one message");
	copy_sent(c, c->got - (MOVE_DATA_MAX - 100));
	probe_check(UNTIL(player_said(p) - p->before - c->got == 900),
		    "and by as many more as were sent");
	scene.hold_sent = false;
	copy_sent(c, c->got);
	probe_check(UNTIL(copy_heard_all(2)), "all come");
}

static void test_tell(void)
{
	hy_autofd tell = (int)PROBE_TRY(eventfd(0, EFD_CLOEXEC));
	uint64_t n = 0;

	move(3);
	UNTIL(copy_heard_all(3));
	scene.hold_sent = true;
	player_slice(3, body, 0, SLICE, tell);
	PROBE_TRY(fcntl(tell, F_SETFL, O_NONBLOCK));
	UNTIL(copy_heard_all(3));
	copy_sent(copy_of(3), copy_of(3)->got - 1);
	scene_idle(IDLE_ROUNDS);
	probe_check(read(tell, &n, sizeof(n)) < 0, "who waits is not told before the last byte");
	copy_sent(copy_of(3), copy_of(3)->got);
	probe_check(UNTIL(read(tell, &n, sizeof(n)) > 0) && n == 1, "but then");
	scene.hold_sent = false;
}

static void test_file_the_host_cannot_open(void)
{
	scene.file_num = EACCES;
	move(4);
	player_plain(4, 10);
	UNTIL(player_slice(4, body, 100, 50001, -1));
	player_plain(4, 10);
	probe_check(UNTIL(copy_heard_all(4)) && copy_of(4)->slices == 0,
		    "what the host cannot open is read here: %llu bytes",
		    (unsigned long long)copy_of(4)->got);
	scene.file_num = 0;
}

static void test_up(void)
{
	struct player *p = move(5);
	struct copy *c = copy_of(5);

	copy_says_up(5, 0, 1, 0);
	probe_check(UNTIL(p->up_read == 1 && c->taken == 1) && c->again, "a byte comes up");
	copy_says_up(5, 0, 1000, 0);
	probe_check(UNTIL(p->up_read == 1000 && c->taken == 1000) && !p->up_wrong,
		    "what was had before is passed over");
}

static void test_up_full(void)
{
	struct player *p = &scene.player[5];
	struct copy *c = copy_of(5);
	uint64_t pos = c->taken;

	p->reads_not = true;
	for (; c->again; pos = c->taken) {
		copy_says_up(5, pos, MOVE_UP_BYTES_MAX, pos);
		if (!UNTIL(c->taken > pos || !c->again))
			probe_bail("bytes are not taken");
	}
	probe_check(!c->again, "a full pair takes no more: %llu bytes",
		    (unsigned long long)c->taken);
	p->reads_not = false;
	probe_check(UNTIL(c->again) && UNTIL(p->up_read == c->taken) && !p->up_wrong,
		    "and asks again when it has room");
	copy_says_up(5, 0, 0, c->taken);
	probe_check(UNTIL(p->up_eof), "the client's end comes up");
}

static void test_ends(void)
{
	struct player *p = move(6);

	PROBE_TRY(shutdown(p->pair, SHUT_WR));
	probe_check(UNTIL(copy_of(6)->shut) && copy_heard_all(6) && !copy_of(6)->closed,
		    "the program's FIN is told behind all it said");
	hy_fd_close(&p->pair);
	probe_check(UNTIL(copy_of(6)->closed), "and its close");
	probe_check(UNTIL(scene.page->slot[6].state == SLOT_GONE) &&
		    scene.page->slot[6].slice == 0,
		    "then nothing is left, nor known of the next client");
}

static void test_other_ends(void)
{
	struct player *p = move(7);

	player_plain(7, 5000);
	hy_fd_close(&p->pair);
	probe_check(UNTIL(copy_of(7)->closed) && copy_of(7)->got == SLICE + 5000 &&
			    copy_heard_right(7) && !copy_of(7)->shut,
		    "a close alone comes behind all, too");
	p = move(8);
	p->reads_not = true;
	copy_says_up(8, 0, 10, 0);
	UNTIL(copy_of(8)->taken == 10);
	hy_fd_close(&p->pair);
	probe_check(UNTIL(copy_of(8)->reset), "a close with bytes unread is a reset");
	p = move(9);
	say(MSG_ENDED, copy_of(9)->id, (uint8_t[]){ END_RESET, 0 }, MOVE_END_LEN);
	probe_check(UNTIL(p->up_eof || p->up_error), "the client's reset ends the pair");
	probe_check(UNTIL(scene.page->slot[9].state == SLOT_RESET), "and the connection");
}

/* The worker lives, and says what cannot be: that connection ends, the agent does not. */
static void test_wrong_positions(void)
{
	struct player *p = move(10);

	UNTIL(copy_heard_all(10));
	copy_sent(copy_of(10), copy_of(10)->got + 1);
	probe_check(UNTIL(p->up_eof || p->up_error), "more sent than said: a reset");
	p = move(11);
	copy_says_up(11, 0, 10, 5);
	probe_check(UNTIL(p->up_eof || p->up_error) && p->up_read == 0, "bytes left out: a reset");
	copy_sent(copy_of(11), 5);
	say(MSG_HOME_DONE, 12345, NULL, 0);
	move(12);
	probe_check(UNTIL(copy_heard_all(12)), "others go on");
}

/* A slice of 2 MB, many of them, back to back on several connections. */
static void test_many(void)
{
	for (unsigned int k = 13; k < 20; k++)
		move(k);
	for (unsigned int i = 0; i < 3; i++) {
		for (unsigned int k = 13; k < 20; k++) {
			player_plain(k, 333 + k);
			UNTIL(player_slice(k, body, i * 7, LARGE, -1));
		}
	}
	for (unsigned int k = 13; k < 20; k++)
		probe_check(UNTIL(copy_heard_all(k)), "connection %u has all", k);
}

int main(int argc, char **argv)
{
	scene_open(100, argc > 1 ? argv[1] : "hylics-agent");
	scene_start(NULL, NULL);
	scene_join();
	body = scene_file("body", O_RDONLY);
	test_order();
	test_markers_cut_by_a_look();
	test_ahead();
	test_tell();
	test_file_the_host_cannot_open();
	test_up();
	test_up_full();
	test_ends();
	test_other_ends();
	test_wrong_positions();
	test_many();
	scene_stop();
	scene_close();
	return probe_end("a connection at the host's");
}
