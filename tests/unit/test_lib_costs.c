/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_lib_costs.c - what the library tells its agent of its own CPU time, and where from
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 *
 * That CPU time is more than none is all that is asked of it: no test depends on how much.
 */
#include "tests/unit/lib_world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "include/hylics.h"

#define SIZE ((off_t)WORLD_FILE_BYTES)
#define SHORT ((size_t)100 << 10)	/* below the world's threshold, but not far */
#define TINY ((size_t)32 << 10)		/* so far below that it says nothing */

static struct world world;

/* In one call, if the socket takes it. All is read as it comes; false if a call fails. */
static bool send_tail(int sock, int client, size_t left)
{
	static uint8_t bytes[65536];
	off_t off = SIZE - (off_t)left;

	while (off < SIZE) {
		if (hylics_sendfile(sock, world.file, &off, WORLD_FILE_BYTES) < 0 &&
		    errno != EAGAIN)
			return false;
		while (recv(client, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
			;
	}
	return true;
}

static bool send_plain(size_t each, size_t total)
{
	int client, sock = world_pair(&client);
	bool ok = true;

	PROBE_TRY(fcntl(sock, F_SETFL, O_NONBLOCK));
	for (size_t sent = 0; ok && sent < total; sent += each)
		ok = send_tail(sock, client, each);
	close(sock);
	close(client);
	return ok;
}

static void move_one(void)
{
	int client, sock = world_pair(&client);
	uint32_t moves = world.agent->moves;
	off_t off = 0;

	PROBE_TRY(fcntl(sock, F_SETFL, O_NONBLOCK));
	if (hylics_sendfile(sock, world.file, &off, 20000) != 20000 ||
	    !world_wait(&world.agent->moves, moves + 1))
		probe_bail("a connection is not moved");
	close(sock);
	close(client);
}

static void moves_are_told(void)
{
	move_one();
	probe_check(world.agent->spent_ns == 0, "before the first move there is nothing to tell");
	move_one();
	probe_check(world.agent->spent_ns > 0, "then what the one before took: %u ns",
		    world.agent->spent_ns);
	probe_check(world.agent->plain_ps == 0, "of plain bytes nothing, there were none");
}

/* What was told is not told again: it would grow with each. */
static void moves_are_told_once(void)
{
	unsigned int less = 0;

	for (unsigned int i = 0; i < 20; i++) {
		uint32_t before = world.agent->spent_ns;

		move_one();
		less += world.agent->spent_ns < before;
	}
	probe_check(less > 0, "of 20 moves %u took less than the one before", less);
}

static void homes_are_told(void)
{
	int client, sock = world_pair(&client);
	uint32_t moves = world.agent->moves, takes = world.agent->takes, with_home;
	off_t off = 0, again = 0;

	PROBE_TRY(fcntl(sock, F_SETFL, O_NONBLOCK));
	world.agent->after_move = SLOT_LOCAL;
	if (hylics_sendfile(sock, world.file, &off, 20000) != 20000 ||
	    !world_wait(&world.agent->moves, moves + 1))
		probe_bail("a connection is not moved");
	while (world.agent->takes == takes && hylics_sendfile(sock, world.file, &again, 1) >= 0)
		poll(NULL, 0, 1);
	world.agent->after_move = SLOT_MOVED;
	move_one();
	with_home = world.agent->spent_ns;
	probe_check(world.agent->takes == takes + 1 && with_home > 0,
		    "a move and a home: %u ns", with_home);
	close(sock);
	close(client);
}

static void plain_bytes_are_told(void)
{
	const size_t enough = (size_t)HY_COST_SLICES_EVERY * (HY_COST_PLAIN_BYTES + SHORT);

	probe_check(send_plain(TINY, enough) && (move_one(), world.agent->plain_ps == 0),
		    "short answers say nothing");
	probe_check(send_plain(SHORT, enough / 2) && (move_one(), world.agent->plain_ps == 0),
		    "nor do few of those that are not much too short");
	probe_check(send_plain(SHORT, enough) && (move_one(), world.agent->plain_ps > 0),
		    "more of them do: %u ps a byte", world.agent->plain_ps);
	probe_check(send_plain(SHORT, enough / 2) && (move_one(), world.agent->plain_ps == 0),
		    "and are told once");
}

static void status_shows_the_threshold(void)
{
	int client, sock = world_pair(&client);
	struct hylics_status s;

	probe_check(hylics_status(sock, &s, sizeof(s)) == 0 && s.threshold == world.page->threshold,
		    "the status has the page's threshold");
	world.page->threshold *= 2;
	probe_check(hylics_status(sock, &s, sizeof(s)) == 0 && s.threshold == world.page->threshold,
		    "which may change");
	world.page->threshold /= 2;
	close(sock);
	close(client);
}

int main(void)
{
	probe_begin(100);
	world_open(&world);
	world_start(&world);
	moves_are_told();
	moves_are_told_once();
	homes_are_told();
	plain_bytes_are_told();
	status_shows_the_threshold();
	world_close(&world);
	return probe_end("the library tells its agent what moves and plain bytes cost it");
}
