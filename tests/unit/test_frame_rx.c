/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_frame_rx.c - frames come out of a stream the same, however it is cut into reads
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/frame_rx.h"
#include "tests/unit/prng.h"

#define SEEN_MAX 4096
#define STREAM_MAX (1u << 20)

/* What came out; payloads as a sum. */
struct seen {
	int event;
	uint16_t type, len;
	uint32_t id, sum;
};

static struct {
	struct frame_rx rx;
	uint8_t canary[64];
} guarded;
static struct frame_rx *const rx = &guarded.rx;
static struct seen seen[SEEN_MAX];
static unsigned int n_seen;
static int last_rc;

static uint8_t stream[STREAM_MAX];
static size_t stream_len;

/* -- making streams -- */

static void put(const void *bytes, size_t n)
{
	assert_true(n <= STREAM_MAX - stream_len);
	memcpy(stream + stream_len, bytes, n);
	stream_len += n;
}

static void put_mark(void)
{
	put(FRAME_MARK, FRAME_MARK_LEN);
}

static void put_frame(uint32_t id, uint16_t len)
{
	static uint8_t bytes[HY_CHUNK_MAX];
	static uint8_t out[FRAME_LEN_MAX];
	struct frame f = { .type = 6, .id = id, .epoch = 9, .total = len, .len = len,
			   .payload = bytes };
	uint32_t random = id + 1;

	prng_fill(&random, bytes, len);
	put(out, frame_encode(&f, out));
}

/* -- reading them -- */

static void start(void)
{
	memset(&guarded.canary, 0x5a, sizeof(guarded.canary));
	frame_rx_reset(rx);
	rx->discarded = 0;
	n_seen = 0;
	last_rc = FRAME_NONE;
}

static uint32_t sum_of(const uint8_t *p, size_t n)
{
	uint32_t sum = 1;

	while (n-- > 0)
		sum = sum * 31 + *p++;
	return sum;
}

static void check_bounds(const struct frame *f)
{
	assert_true(f->payload >= rx->buf && f->payload + f->len <= rx->buf + rx->tail);
	assert_true(rx->head <= rx->tail && rx->tail <= sizeof(rx->buf));
}

/* Whether there was something to take. */
static bool take_one(void)
{
	struct frame f = { 0 };

	last_rc = frame_rx_next(rx, &f);
	if (last_rc <= FRAME_NONE)
		return false;
	assert_true(n_seen < SEEN_MAX);
	seen[n_seen] = (struct seen){ .event = last_rc };
	if (last_rc == FRAME_READY) {
		check_bounds(&f);
		seen[n_seen].type = f.type;
		seen[n_seen].len = f.len;
		seen[n_seen].id = f.id;
		seen[n_seen].sum = sum_of(f.payload, f.len);
	}
	n_seen++;
	return true;
}

/* One read of at most @n bytes of which nothing is taken yet; returns how many fitted. */
static size_t only_read(const uint8_t *p, size_t n)
{
	size_t room;
	uint8_t *into = frame_rx_room(rx, &room);

	assert_true(into + room <= rx->buf + sizeof(rx->buf));
	if (n > room)
		n = room;
	memcpy(into, p, n);
	frame_rx_filled(rx, n);
	return n;
}

/* One read of at most @n bytes, of which all is taken; returns how many fitted. */
static size_t read_once(const uint8_t *p, size_t n)
{
	size_t room;

	frame_rx_room(rx, &room);
	assert_true(room >= FRAME_LEN_MAX);
	n = only_read(p, n);
	while (take_one())
		;
	for (size_t i = 0; i < sizeof(guarded.canary); i++)
		assert_int_equal(guarded.canary[i], 0x5a);
	return n;
}

/* Reads the stream from @from up to @to as fast as it goes; stops at a fault. */
static void read_range(size_t from, size_t to)
{
	while (from < to && last_rc >= 0)
		from += read_once(stream + from, to - from);
}

static void read_in_steps(size_t step)
{
	for (size_t at = 0; at < stream_len && last_rc >= 0; at += step)
		read_range(at, at + step < stream_len ? at + step : stream_len);
}

/* -- the same for every split -- */

static struct seen expected[SEEN_MAX];
static unsigned int n_expected;

static void expect_what_was_seen(void)
{
	memcpy(expected, seen, sizeof(seen));
	n_expected = n_seen;
}

static void check_seen(void)
{
	assert_int_equal(last_rc, FRAME_NONE);
	assert_int_equal(n_seen, n_expected);
	assert_memory_equal(seen, expected, n_seen * sizeof(seen[0]));
}

static void make_short_stream(void)
{
	static const uint16_t lens[] = { 0, 1, 15, 16, 17, 24, 100 };

	stream_len = 0;
	put_mark();
	for (uint32_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		put_frame(i, lens[i]);
	put_mark();
	put_frame(100, 40);
	put_mark();
	put_mark();
	put_frame(101, 0);
}

static void frames_and_marks_come_out_in_order(void **state)
{
	static const int events[] = {
		FRAME_SYNC, FRAME_READY, FRAME_READY, FRAME_READY, FRAME_READY, FRAME_READY,
		FRAME_READY, FRAME_READY, FRAME_SYNC, FRAME_READY, FRAME_SYNC, FRAME_SYNC,
		FRAME_READY,
	};

	(void)state;
	make_short_stream();
	start();
	read_range(0, stream_len);
	assert_int_equal(n_seen, sizeof(events) / sizeof(events[0]));
	for (unsigned int i = 0; i < n_seen; i++)
		assert_int_equal(seen[i].event, events[i]);
	assert_int_equal(seen[1].id, 0);
	assert_int_equal(seen[7].len, 100);
	assert_int_equal(seen[9].id, 100);
	assert_int_equal(rx->discarded, 0);
}

static void two_reads_split_anywhere_give_the_same(void **state)
{
	(void)state;
	make_short_stream();
	start();
	read_range(0, stream_len);
	expect_what_was_seen();
	for (size_t split = 1; split < stream_len; split++) {
		start();
		read_range(0, split);
		read_range(split, stream_len);
		check_seen();
	}
}

static void reads_of_any_one_size_give_the_same(void **state)
{
	(void)state;
	make_short_stream();
	start();
	read_range(0, stream_len);
	expect_what_was_seen();
	for (size_t step = 1; step < 200; step++) {
		start();
		read_in_steps(step);
		check_seen();
		assert_int_equal(rx->discarded, 0);
	}
}

static void a_long_stream_in_random_reads_gives_the_same(void **state)
{
	uint32_t random = 5;

	(void)state;
	stream_len = 0;
	put_mark();
	while (stream_len < STREAM_MAX - FRAME_LEN_MAX - FRAME_MARK_LEN) {
		uint32_t max = prng_below(&random, 4) ? 300 : HY_CHUNK_MAX;

		put_frame(prng_next(&random), (uint16_t)prng_below(&random, max + 1));
		if (prng_below(&random, 20) == 0)
			put_mark();
	}
	start();
	read_range(0, stream_len);
	expect_what_was_seen();
	for (int round = 0; round < 6; round++) {
		start();
		for (size_t at = 0; at < stream_len && last_rc >= 0; ) {
			size_t n = 1 + prng_below(&random, round % 2 ? 50000 : 500);

			n = n < stream_len - at ? n : stream_len - at;
			at += read_once(stream + at, n);
		}
		check_seen();
	}
	start();
	read_in_steps(1);
	check_seen();
}

/* As a channel does that has no room for more answers. */
static void what_is_not_taken_yet_is_there_after_the_next_read(void **state)
{
	(void)state;
	make_short_stream();
	start();
	read_range(0, stream_len);
	expect_what_was_seen();
	for (size_t split = 1; split < stream_len; split++) {
		for (unsigned int taken = 0; taken <= n_expected; taken++) {
			start();
			only_read(stream, split);
			for (unsigned int i = 0; i < taken; i++)
				take_one();
			read_range(split, stream_len);
			check_seen();
		}
	}
}

static void there_is_room_for_a_frame_behind_any_part_of_one(void **state)
{
	(void)state;
	stream_len = 0;
	put_mark();
	put_frame(1, HY_CHUNK_MAX);
	put_frame(2, HY_CHUNK_MAX);
	for (size_t part = 0; part < FRAME_LEN_MAX; part += 61) {
		size_t room;

		start();
		read_range(0, FRAME_MARK_LEN + FRAME_LEN_MAX + part);
		assert_int_equal(n_seen, 2);
		assert_non_null(frame_rx_room(rx, &room));
		assert_true(room >= FRAME_LEN_MAX);
		read_range(FRAME_MARK_LEN + FRAME_LEN_MAX + part, stream_len);
		assert_int_equal(n_seen, 3);
	}
}

/* -- finding the way back -- */

static void what_comes_before_the_first_mark_is_thrown_away(void **state)
{
	static const size_t lens[] = { 1, 15, 16, 17, 1000, 3 * FRAME_RX_ROOM };
	uint32_t random = 6;

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		stream_len = lens[i];
		prng_fill(&random, stream, stream_len);
		stream[0] = FRAME_MAGIC;	/* also where it looks like a frame */
		put_mark();
		put_frame(7, 30);
		for (size_t step = 1; step < 5000; step = step * 3 + 1) {
			start();
			read_in_steps(step);
			assert_int_equal(last_rc, FRAME_NONE);
			assert_int_equal(n_seen, 2);
			assert_int_equal(seen[0].event, FRAME_SYNC);
			assert_int_equal(seen[1].id, 7);
			assert_int_equal(rx->discarded, lens[i]);
		}
	}
}

static void a_reset_believes_nothing_before_the_next_mark(void **state)
{
	(void)state;
	stream_len = 0;
	put_mark();
	put_frame(1, 10);
	put_frame(2, 10);
	start();
	read_range(0, FRAME_MARK_LEN + FRAME_OVERHEAD + 10);
	assert_int_equal(n_seen, 2);
	frame_rx_reset(rx);
	read_range(FRAME_MARK_LEN + FRAME_OVERHEAD + 10, stream_len);
	assert_int_equal(n_seen, 2);
}

/* A session that ends after @cut bytes of a frame, and a new one behind it. */
static void make_cut_stream(size_t cut)
{
	stream_len = 0;
	put_mark();
	put_frame(1, 5);
	put_frame(2, 40);
	stream_len -= FRAME_OVERHEAD + 40 - cut;
	put_mark();
	put_frame(3, 20);
}

static void check_cut_stream(size_t cut)
{
	assert_int_equal(last_rc, FRAME_NONE);
	assert_int_equal(n_seen, 4);
	assert_int_equal(seen[0].event, FRAME_SYNC);
	assert_int_equal(seen[1].id, 1);
	assert_int_equal(seen[2].event, FRAME_SYNC);
	assert_int_equal(seen[3].id, 3);
	assert_int_equal(rx->discarded, cut);
}

static void half_a_frame_before_a_mark_is_void(void **state)
{
	(void)state;
	for (size_t cut = 0; cut < FRAME_OVERHEAD + 40; cut++) {
		make_cut_stream(cut);
		start();
		read_range(0, stream_len);
		check_cut_stream(cut);
	}
}

/* The mark may be split between two reads: its first part must not pass for the missing bytes. */
static void half_a_frame_before_a_mark_is_void_however_it_is_read(void **state)
{
	(void)state;
	for (size_t cut = 0; cut < FRAME_OVERHEAD + 40; cut++) {
		make_cut_stream(cut);
		for (size_t split = 1; split < stream_len; split++) {
			start();
			read_range(0, split);
			read_range(split, stream_len);
			check_cut_stream(cut);
		}
		start();
		read_in_steps(1);
		check_cut_stream(cut);
	}
}

/* A session that ends within its mark, and a new one behind it. */
static void make_half_mark_stream(size_t part, size_t times)
{
	stream_len = 0;
	put_mark();
	put_frame(1, 5);
	while (times-- > 0)
		put(FRAME_MARK, part);
	put_mark();
	put_frame(3, 20);
}

static void half_a_mark_before_a_mark_is_void(void **state)
{
	(void)state;
	for (size_t part = 1; part < FRAME_MARK_LEN; part++) {
		make_half_mark_stream(part, 1);
		start();
		read_range(0, stream_len);
		check_cut_stream(part);
	}
}

static void half_marks_before_a_mark_are_void_however_they_are_read(void **state)
{
	(void)state;
	for (size_t part = 1; part < FRAME_MARK_LEN; part++) {
		make_half_mark_stream(part, 1);
		for (size_t split = 1; split < stream_len; split++) {
			start();
			read_range(0, split);
			read_range(split, stream_len);
			check_cut_stream(part);
		}
		start();
		read_in_steps(1);
		check_cut_stream(part);
	}
}

/* One died within a frame, its successor within its mark: their bytes make no frame together. */
static void half_a_frame_and_half_a_mark_before_a_mark_are_void(void **state)
{
	(void)state;
	for (size_t cut = 1; cut < FRAME_OVERHEAD + 40; cut++) {
		for (size_t part = 1; part < FRAME_MARK_LEN; part++) {
			make_cut_stream(cut);
			stream_len -= FRAME_MARK_LEN + FRAME_OVERHEAD + 20;
			put(FRAME_MARK, part);
			put_mark();
			put_frame(3, 20);
			start();
			read_range(0, stream_len);
			check_cut_stream(cut + part);
		}
	}
}

/* Whoever dies while it greets, again and again, leaves several of them. */
static void several_half_marks_before_a_mark_are_void(void **state)
{
	(void)state;
	make_half_mark_stream(10, 3);
	start();
	read_range(0, stream_len);
	check_cut_stream(30);
}

static void a_malformed_header_ends_the_stream(void **state)
{
	(void)state;
	stream_len = 0;
	put_mark();
	put_frame(1, 5);
	put_frame(2, 5);
	stream[FRAME_MARK_LEN + FRAME_OVERHEAD + 5] ^= 1;
	for (size_t step = 1; step < stream_len; step++) {
		start();
		read_in_steps(step);
		assert_int_equal(last_rc, -EPROTO);
		assert_int_equal(n_seen, 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_and_marks_come_out_in_order),
		cmocka_unit_test(two_reads_split_anywhere_give_the_same),
		cmocka_unit_test(reads_of_any_one_size_give_the_same),
		cmocka_unit_test(a_long_stream_in_random_reads_gives_the_same),
		cmocka_unit_test(what_is_not_taken_yet_is_there_after_the_next_read),
		cmocka_unit_test(there_is_room_for_a_frame_behind_any_part_of_one),
		cmocka_unit_test(what_comes_before_the_first_mark_is_thrown_away),
		cmocka_unit_test(a_reset_believes_nothing_before_the_next_mark),
		cmocka_unit_test(half_a_frame_before_a_mark_is_void),
		cmocka_unit_test(half_a_frame_before_a_mark_is_void_however_it_is_read),
		cmocka_unit_test(half_a_mark_before_a_mark_is_void),
		cmocka_unit_test(half_marks_before_a_mark_are_void_however_they_are_read),
		cmocka_unit_test(half_a_frame_and_half_a_mark_before_a_mark_are_void),
		cmocka_unit_test(several_half_marks_before_a_mark_are_void),
		cmocka_unit_test(a_malformed_header_ends_the_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
