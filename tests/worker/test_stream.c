/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_stream.c - bytes of a moved connection, both ways, and how it ends
 *
 * Runs in: network namespaces of its own
 * Reads from: no untrusted input
 */
#include "tests/worker/stage.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "tests/probes/tcp_sock.h"

#define FILE_ID 7u

static struct player *now(unsigned int k)
{
	player_open(k);
	return &stage.player[k];
}

static void the_common_case(void)
{
	unsigned int k = 1;
	struct player *p = now(k);
	uint64_t end;

	player_client_sends(k, 0, 1000);
	tcp_sock_wait_acked(p->client);
	probe_check(say_file(FILE_ID, BODY(k)) == 0, "a file of the share is opened");
	probe_check(player_move(k), "a connection with unread bytes is adopted");
	probe_check(UNTIL(p->up == 1000) && !p->up_wrong, "what was unread comes up");
	say_data(k, 0, 300);
	say_slice(k, 300, FILE_ID, 1 << 20);
	end = 300 + (1 << 20);
	say_data(k, end, 50);
	end += 50;
	probe_check(UNTIL(player_client_has(k, end)) && !p->read_wrong,
		    "head, slice and tail reach the client");
	probe_check(UNTIL(p->sent == end), "and the guest is told");
	player_client_sends(k, 1000, 5000);
	probe_check(UNTIL(p->up == 6000) && !p->up_wrong, "the client's bytes come up");
	say_end(k, end, ITEM_CLOSE);
	probe_check(UNTIL(player_client_ended(k)) && p->eof && !p->error, "a close is a FIN");
	probe_check(UNTIL(p->ended) && p->end == END_CLOSED, "and the guest is told so");
	probe_check(stage_counted("closed") == 1 && stage_count("live") == 0, "counted");
}

/* Opens, moves, and has the file of the player under FILE_ID + k. */
static struct player *moved(unsigned int k)
{
	struct player *p = now(k);

	if (say_file(FILE_ID + k, BODY(k)) != 0 || !player_move(k))
		probe_bail("player %u cannot be moved", k);
	return p;
}

static void both_queues_travel(void)
{
	unsigned int k = 2;
	struct player *p = now(k);
	uint64_t queued = 0;
	uint8_t piece[65536];
	ssize_t n;

	player_client_sends(k, 0, 60000);
	tcp_sock_wait_acked(p->client);
	for (;; queued += (uint64_t)n) {
		probe_fill(piece, sizeof(piece), queued, DOWN(k));
		n = send(p->kept, piece, sizeof(piece), MSG_NOSIGNAL);
		if (n < 0)
			break;
	}
	probe_check(player_move(k), "a connection with %llu bytes queued is adopted",
		    (unsigned long long)queued);
	probe_check(UNTIL(p->up == 60000) && !p->up_wrong, "60000 unread bytes come up");
	probe_check(UNTIL(player_client_has(k, queued)) && !p->read_wrong,
		    "the send queue reaches the client");
	player_close(k);
}

static uint32_t random_item(unsigned int k, uint64_t pos, uint32_t *random)
{
	uint32_t len;

	*random = *random * 1664525 + 1013904223;
	len = 1 + (*random >> 8) % (*random & 1 ? 900u : 200000u);
	if (*random & 1)
		say_data(k, pos, len);
	else
		say_slice(k, pos, FILE_ID + k, len);
	return len;
}

/* Items of random kinds and lengths, HY_ITEMS_MAX ahead of what was sent. */
static void items_of_every_length(void)
{
	unsigned int k = 3, n = 0;
	struct player *p = moved(k);
	uint64_t pos = 0, ends[HY_ITEMS_MAX] = { 0 };
	uint32_t random = 12345;

	while (pos < BODY_BYTES - (256u << 10)) {
		if (!UNTIL((player_client_has(k, 0), p->sent >= ends[n % HY_ITEMS_MAX])))
			break;
		pos += random_item(k, pos, &random);
		ends[n++ % HY_ITEMS_MAX] = pos;
	}
	probe_check(UNTIL(player_client_has(k, pos)) && !p->read_wrong && p->read == pos,
		    "%u items, %llu bytes in any order of kinds are right", n,
		    (unsigned long long)pos);
	say_end(k, pos, ITEM_SHUT);
	probe_check(UNTIL(player_client_ended(k)) && p->eof && p->read == pos, "shut is a FIN");
	player_client_sends(k, 0, 100);
	probe_check(UNTIL(p->up == 100) && !p->up_wrong && !p->ended,
		    "the other direction goes on");
	shutdown(p->client, SHUT_WR);
	probe_check(UNTIL(p->fin) && !p->ended, "the client's FIN comes up, once both are shut");
	say_end(k, pos, ITEM_CLOSE);
	probe_check(UNTIL(p->ended) && p->end == END_CLOSED, "then a close ends it");
}

static void pieces_twice_and_out_of_place(void)
{
	unsigned int k = 4;
	struct player *p = moved(k);
	uint64_t dropped, skipped, up0;

	say_data(k, 0, 1000);
	UNTIL(p->sent == 1000);
	dropped = stage_counted("items_dropped");
	skipped = stage_count("items_skipped");
	say_data(k, 0, 1000);		/* again */
	say_data(k, 500, 1000);		/* half of it again */
	say_data(k, 5000, 10);		/* what is between was never said */
	say_slice(k, 1000, FILE_ID + k, 100000);	/* overlaps the second one */
	probe_check(UNTIL(p->sent == 101000), "a piece that overlaps goes on behind what was sent");
	probe_check(UNTIL(player_client_has(k, 101000)) && p->read == 101000 && !p->read_wrong,
		    "no byte is doubled, none is missing");
	probe_check(UNTIL(stage_count("items_dropped") == dropped + 1 &&
			  stage_count("items_skipped") == skipped + 1), "counted");
	up0 = p->sent;
	say_end(k, up0 - 1, ITEM_CLOSE);	/* a close in the past is no close */
	stage_settle(2);
	probe_check(!p->ended, "an end that is out of place ends nothing");
	player_close(k);
}

static void what_cannot_be_read_comes_again(void)
{
	unsigned int k = 6;
	struct player *p = moved(k);
	uint64_t size = 65536;

	probe_check(say_file(90, "short") == 0, "a file of 64 KB");
	say_slice(k, 0, 90, 100000);	/* longer than the file */
	say_data(k, 100000, 10);
	say_end(k, 100010, ITEM_CLOSE);
	probe_check(UNTIL(p->stuck == 1) && p->stuck_at == size && p->sent == size,
		    "a file that ends too early is stuck where it ends");
	say_data(k, size, 5000);
	say_slice(k, size + 5000, 4242, 1000);	/* a number that was never opened */
	probe_check(UNTIL(p->stuck == 2) && p->stuck_at == size + 5000, "so is an unknown number");
	say_data(k, size + 5000, 1000);
	say_end(k, size + 6000, ITEM_CLOSE);
	probe_check(UNTIL(player_client_ended(k)) && p->eof && p->read == size + 6000 &&
		    !p->read_wrong, "what is said again goes out, and what was void is forgotten");
}

static void a_guest_without_room(void)
{
	unsigned int k = 8;
	struct player *p = moved(k);

	stage.policy = UP_FULL;
	player_client_sends(k, 0, 100000);
	UNTIL(p->up > 0);
	stage_settle(3);
	probe_check(p->up < 20000, "a full pair is offered nothing more: %llu taken",
		    (unsigned long long)p->up);
	shutdown(p->client, SHUT_WR);
	stage_settle(3);
	probe_check(!p->fin, "the FIN waits behind the bytes");
	stage.policy = UP_TAKE;
	say_taken(k, p->up, true);
	probe_check(UNTIL(p->fin) && p->up == 100000 && !p->up_wrong,
		    "with room all of it comes, then the FIN");
	probe_check(UNTIL(stage_count("bytes_up") >= 100000), "counted");
	say_data(k, 0, 777);
	say_end(k, 777, ITEM_CLOSE);
	probe_check(UNTIL(player_client_ended(k)) && p->eof && p->read == 777,
		    "the answer to a half-closed client arrives");
}

static void resets(void)
{
	unsigned int k = 10;
	struct player *p = moved(k);
	const struct linger now_ = { .l_onoff = 1 };

	stage.policy = UP_HOLD;
	player_client_sends(k, 0, 500);
	stage_settle(3);
	player_client_sends(k, 500, 700);	/* not even offered yet */
	stage_settle(3);
	setsockopt(p->client, SOL_SOCKET, SO_LINGER, &now_, sizeof(now_));
	close(p->client);
	p->client = -1;
	stage_settle(3);
	probe_check(!p->ended, "a reset waits behind what the client said before");
	stage.policy = UP_TAKE;
	p->up = 500;
	say_taken(k, 500, true);
	probe_check(UNTIL(p->ended) && p->end == END_RESET && p->up == 1200 && !p->up_wrong,
		    "all of that comes up, then it is told");

	k = 11;
	p = moved(k);
	player_client_sends(k, 0, 500);
	UNTIL(p->up == 500);
	say_end(k, 0, ITEM_RESET);
	probe_check(UNTIL(player_client_ended(k)) && p->error == ECONNRESET && UNTIL(p->ended),
		    "a program that has bytes unread resets");
}

/* Connection @k, whose guest has room for half a message and then no more; its client resets it. */
static struct player *reset_while_full(unsigned int k)
{
	const struct linger now_ = { .l_onoff = 1 };
	struct player *p = moved(k);

	stage.policy = UP_FULL;
	player_client_sends(k, 0, 100000);
	UNTIL(p->up > 0);
	setsockopt(p->client, SOL_SOCKET, SO_LINGER, &now_, sizeof(now_));
	close(p->client);
	p->client = -1;
	stage_settle(3);
	return p;
}

static void resets_that_nobody_reads(void)
{
	uint64_t live = stage_counted("live");
	struct player *p = reset_while_full(21);

	say_end(21, 0, ITEM_RESET);
	probe_check(UNTIL(p->ended) && p->end == END_RESET,
		    "a program with bytes unread leaves a reset connection");
	p = reset_while_full(22);
	say_end(22, 0, ITEM_CLOSE);
	probe_check(UNTIL(p->ended) && p->end == END_RESET, "a program that closes does so, too");
	p = reset_while_full(23);
	probe_check(UNTIL(p->ended) && p->end == END_RESET,
		    "one that only writes is told in the end");
	stage.policy = UP_TAKE;
	probe_check(UNTIL(stage_count("live") == live), "nothing is left of them");
}

#define PIECE_BYTES 60000u	/* several times what the copy holds: see waiting() */

/* HY_ITEMS_MAX pieces that the worker gets at once, and a copy that takes few bytes at a time. */
static struct player *waiting(unsigned int k)
{
	struct player *p = now(k);
	int few = 16384;

	if (setsockopt(p->kept, SOL_SOCKET, SO_SNDBUF, &few, sizeof(few)) < 0)
		probe_bail("SO_SNDBUF: %s", strerror(errno));
	if (say_file(FILE_ID + k, BODY(k)) != 0 || !player_move(k))
		probe_bail("player %u cannot be moved", k);
	chan_cork(&stage.chan);
	for (uint64_t i = 0; i < HY_ITEMS_MAX; i++)
		say_slice(k, i * PIECE_BYTES, FILE_ID + k, PIECE_BYTES);
	chan_uncork(&stage.chan);
	return p;
}

/* Every word wakes the guest: at a quarter left, at a sixteenth, at the end. */
static void few_words(void)
{
	const uint64_t all = HY_ITEMS_MAX * PIECE_BYTES;
	uint64_t began = hy_clock_ms(), most;
	struct player *p = waiting(15);

	probe_check(UNTIL((player_client_has(15, all), p->sent == all)), "all is sent");
	most = 3 + (hy_clock_ms() - began) / HY_SLICE_MS;
	probe_check(p->words <= most, "%u pieces, %u words", HY_ITEMS_MAX, p->words);
	player_close(15);
}

static void client_takes_some(struct player *p)
{
	uint8_t bytes[4096];
	ssize_t n = recv(p->client, bytes, sizeof(bytes), 0);

	p->read += n > 0 ? (uint64_t)n : 0;
}

/* A program with a limit of its own is to see that its client is slow, not dead. */
static void slow_progress_is_told(void)
{
	struct player *p = waiting(16);
	uint64_t until;

	stage_settle(1);
	until = hy_clock_ms() + HY_SLICE_MS;
	while (hy_clock_ms() <= until)
		stage_round();
	p->words = 0;
	/* a round trip for each piece: however late the worker runs, it has seen what went */
	probe_check(UNTIL((client_takes_some(p), stage_settle(1), p->words)),
		    "a slow client's progress is told");
	probe_check(p->sent < HY_ITEMS_MAX / 2 * PIECE_BYTES, "at %llu of %u bytes",
		    (unsigned long long)p->sent, HY_ITEMS_MAX * PIECE_BYTES);
	player_close(16);
}

/* Nothing to do is nothing done: rounds, turns and events stand still while pings go on. */
static void stands_still(const char *when)
{
	uint64_t rounds, wakes, turns;

	stage_settle(20);
	wakes = stage_counted("wakes");
	rounds = stage_count("rounds");
	turns = stage_count("turns");
	stage_settle(200);
	wakes = stage_counted("wakes") - wakes;
	rounds = stage_count("rounds") - rounds;
	turns = stage_count("turns") - turns;
	/* an acknowledgement that was put off may make room now: that is no loop */
	probe_check(wakes <= 3 && turns <= 3 && rounds <= 3,
		    "%s: %llu events, %llu turns, %llu rounds", when,
		    (unsigned long long)wakes, (unsigned long long)turns,
		    (unsigned long long)rounds);
}

static void no_busy_loops(void)
{
	struct player *p = moved(12);
	uint64_t pos = 0;

	shutdown(p->client, SHUT_WR);
	UNTIL(p->fin);
	stands_still("the client has shut");
	say_end(12, 0, ITEM_SHUT);
	UNTIL(player_client_ended(12));
	stands_still("both have shut");
	player_close(12);

	moved(13);
	stage.policy = UP_HOLD;
	player_client_sends(13, 0, 200000);
	stands_still("the guest does not answer, and there is more to read");
	stage.policy = UP_TAKE;

	p = moved(14);
	for (int i = 0; i < HY_ITEMS_MAX; i++, pos += 250000)
		say_slice(14, pos, FILE_ID + 14, 250000);
	stands_still("a client that does not read");
	probe_check(UNTIL((player_client_has(14, pos))) && !p->read_wrong, "and then reads");
	player_close(13);
	player_close(14);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		probe_bail("usage: %s WORKER", argv[0]);
	stage_open(100, argv[1]);
	stage_start(NULL);
	the_common_case();
	both_queues_travel();
	items_of_every_length();
	pieces_twice_and_out_of_place();
	what_cannot_be_read_comes_again();
	a_guest_without_room();
	resets();
	resets_that_nobody_reads();
	few_words();
	slow_progress_is_told();
	no_busy_loops();
	stage_stop();
	stage_close();
	return probe_end("a moved connection's bytes");
}
