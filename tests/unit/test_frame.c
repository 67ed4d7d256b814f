/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_frame.c - frame headers byte by byte, and that nothing but a greeting contains the mark
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

#include "channel/tx.h"
#include "proto/frame.h"
#include "tests/unit/prng.h"

static const char mark[] = FRAME_MARK;

static const uint8_t golden[FRAME_HEADER_LEN] = {
	0xa7,				/* magic */
	0x01,				/* version */
	0x06, 0x00,			/* type 6 */
	0x44, 0x33, 0x22, 0x11,		/* id */
	0x88, 0x77, 0x66, 0x55,		/* epoch */
	0x00, 0x00, 0x00, 0x01,		/* total: 16 MB */
	0x00, 0x40, 0x00, 0x00,		/* offset */
	0x00, 0x40,			/* length: 16 KB */
	0x00, 0x00,			/* unused */
};

static const struct frame golden_frame = {
	.type = 6, .id = 0x11223344, .epoch = 0x55667788, .total = 1u << 24, .offset = 16384,
	.len = 16384,
};

/* The header alone of a frame whose length may be anything. */
static void encode_header(struct frame f, uint8_t *out)
{
	static const uint8_t zeros[UINT16_MAX];
	static uint8_t whole[FRAME_OVERHEAD + UINT16_MAX];

	f.payload = zeros;
	assert_int_equal(frame_encode(&f, whole), FRAME_OVERHEAD + f.len);
	memcpy(out, whole, FRAME_HEADER_LEN);
}

static void a_frame_ends_with_a_zero_behind_its_payload(void **state)
{
	uint8_t out[FRAME_OVERHEAD + 3];
	struct frame f = { .type = 6, .total = 3, .len = 3, .payload = (const uint8_t *)"abc" };

	(void)state;
	assert_int_equal(frame_encode(&f, out), sizeof(out));
	assert_memory_equal(out + FRAME_HEADER_LEN, "abc", 4);
	assert_true(frame_is_closed(&f, out));
	for (unsigned int byte = 1; byte < 256; byte++) {
		out[sizeof(out) - 1] = (uint8_t)byte;
		assert_false(frame_is_closed(&f, out));
	}
}

static void a_header_has_the_bytes_that_are_documented(void **state)
{
	uint8_t out[FRAME_HEADER_LEN];
	struct frame f = { .payload = out };

	(void)state;
	encode_header(golden_frame, out);
	assert_memory_equal(out, golden, sizeof(golden));
	assert_int_equal(frame_decode_header(golden, &f), 0);
	assert_int_equal(f.type, golden_frame.type);
	assert_int_equal(f.id, golden_frame.id);
	assert_int_equal(f.epoch, golden_frame.epoch);
	assert_int_equal(f.total, golden_frame.total);
	assert_int_equal(f.offset, golden_frame.offset);
	assert_int_equal(f.len, golden_frame.len);
	assert_null(f.payload);
	assert_memory_equal(FRAME_MARK, "\xf1" "hylics-resync\n" "\xf2", FRAME_MARK_LEN + 1);
}

static void a_wrong_byte_where_there_is_no_choice_is_refused(void **state)
{
	static const size_t fixed[] = { 0, 1, 22, 23 };
	struct frame f = { .id = 77 };

	(void)state;
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		for (unsigned int change = 1; change < 256; change++) {
			uint8_t in[FRAME_HEADER_LEN];

			memcpy(in, golden, sizeof(in));
			in[fixed[i]] ^= (uint8_t)change;
			assert_int_equal(frame_decode_header(in, &f), -EPROTO);
		}
	}
	assert_int_equal(f.id, 77);	/* untouched */
}

static void a_chunk_stays_within_its_limit_and_its_message(void **state)
{
	static const struct {
		uint32_t total, offset;
		uint16_t len;
		int rc;
	} cases[] = {
		{ 0, 0, 0, 0 },
		{ 1, 0, 1, 0 },
		{ HY_CHUNK_MAX, 0, HY_CHUNK_MAX, 0 },
		{ HY_MESSAGE_MAX, 0, HY_CHUNK_MAX, 0 },
		{ HY_MESSAGE_MAX, HY_MESSAGE_MAX - 1, 1, 0 },
		{ HY_MESSAGE_MAX, HY_MESSAGE_MAX - HY_CHUNK_MAX, HY_CHUNK_MAX, 0 },
		{ HY_MESSAGE_MAX, 0, HY_CHUNK_MAX + 1, -EPROTO },
		{ HY_MESSAGE_MAX, 0, UINT16_MAX, -EPROTO },
		{ HY_MESSAGE_MAX + 1, 0, 1, -EPROTO },
		{ UINT32_MAX, 0, 1, -EPROTO },
		{ UINT32_MAX, UINT32_MAX - 1, 1, -EPROTO },
		{ 10, 11, 1, -EPROTO },
		{ 10, UINT32_MAX, 1, -EPROTO },
		{ 10, UINT32_MAX - 1, 11, -EPROTO },
		{ 10, 10, 1, -EPROTO },
		{ 10, 9, 2, -EPROTO },
		{ 0, 0, 1, -EPROTO },
		{ 0, 1, 0, -EPROTO },
		{ 10, 0, 0, -EPROTO },		/* could be sent for ever */
		{ 10, 10, 0, -EPROTO },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frame f = { .type = 6, .total = cases[i].total, .offset = cases[i].offset,
				   .len = cases[i].len };
		uint8_t in[FRAME_HEADER_LEN];

		encode_header(f, in);
		assert_int_equal(frame_decode_header(in, &f), cases[i].rc);
	}
}

static void the_mark_is_found_wherever_it_is(void **state)
{
	uint8_t buf[100] = { 0 };

	(void)state;
	assert_int_equal(frame_find_mark(buf, 0), 0);
	for (size_t at = 0; at <= sizeof(buf) - FRAME_MARK_LEN; at++) {
		memset(buf, 0xf1, sizeof(buf));
		memcpy(buf + at, FRAME_MARK, FRAME_MARK_LEN);
		assert_int_equal(frame_find_mark(buf, sizeof(buf)), at);
		assert_int_equal(frame_find_mark(buf, at + FRAME_MARK_LEN), at);
		for (size_t len = 0; len < at + FRAME_MARK_LEN; len++)
			assert_int_equal(frame_find_mark(buf, len), len);
		memcpy(buf + sizeof(buf) - FRAME_MARK_LEN, FRAME_MARK, FRAME_MARK_LEN);
		if (at + FRAME_MARK_LEN <= sizeof(buf) - FRAME_MARK_LEN)
			assert_int_equal(frame_find_mark(buf, sizeof(buf)), at);
	}
}

static void a_mark_with_one_byte_changed_is_none(void **state)
{
	uint8_t buf[FRAME_MARK_LEN];

	(void)state;
	for (size_t i = 0; i < FRAME_MARK_LEN; i++) {
		memcpy(buf, FRAME_MARK, FRAME_MARK_LEN);
		buf[i] ^= 1;
		assert_int_equal(frame_find_mark(buf, sizeof(buf)), sizeof(buf));
	}
}

static void a_chunk_ends_within_a_mark(void **state)
{
	uint8_t buf[100] = { 0 };

	(void)state;
	assert_int_equal(frame_chunk_len(buf, 0, 10), 0);
	assert_int_equal(frame_chunk_len(buf, 5, 10), 5);
	assert_int_equal(frame_chunk_len(buf, 10, 10), 10);
	assert_int_equal(frame_chunk_len(buf, 50, 10), 10);
	memcpy(buf + 30, FRAME_MARK, FRAME_MARK_LEN);
	for (size_t max = 1; max <= sizeof(buf); max++) {
		size_t len = frame_chunk_len(buf, sizeof(buf), max);

		assert_true(len >= 1 && len <= max);
		assert_int_equal(frame_find_mark(buf, len), len);
		assert_int_equal(len, max < 30 + FRAME_MARK_LEN ? max : 31);
	}
}

/* -- what a sender may put on the wire contains the mark nowhere but in its greeting -- */

#define WIRE_MAX (1u << 20)
#define PAYLOAD_MAX (3 * HY_CHUNK_MAX)
#define BULK_CHUNK (MSG_BULK_WINDOW / 2)	/* borders of undisturbed bulk chunks */

static struct chan_tx tx;
static uint8_t wire[WIRE_MAX];
static size_t wire_len;
static uint8_t payload[PAYLOAD_MAX], rebuilt[PAYLOAD_MAX];

static const struct msg_info whole_row = { .type = 7, .lane = LANE_URGENT, .max = HY_CHUNK_MAX };

static void stream_done(struct chan_stream *s, int rc)
{
	assert_int_equal(rc, 0);
	s->object = NULL;
}

/* Puts on the wire all that can go, without credit. */
static void drain(void)
{
	const uint8_t *p;
	size_t n;

	while ((n = tx_next(&tx, &p)) > 0) {
		assert_true(n <= WIRE_MAX - wire_len);
		memcpy(wire + wire_len, p, n);
		wire_len += n;
		tx_written(&tx, n);
	}
}

static void greet(uint32_t epoch)
{
	struct msg_hello hello = { .proto_min = 1, .proto_max = 1, .epoch = epoch,
				   .role = ROLE_GUEST, .software = "test", .kernel = "6.1" };

	tx_greet(&tx, &hello);
	wire_len = 0;
	drain();
}

static void send_whole(uint32_t id, size_t len)
{
	assert_int_equal(tx_message(&tx, &whole_row, id, payload, len), 0);
	drain();
}

/* Credit comes back in pieces of @piece bytes, so chunks get all sorts of lengths. */
static void send_bulk(uint32_t id, size_t len, uint32_t piece)
{
	struct chan_stream s = { .type = MSG_SOAK, .id = id, .data = payload,
				 .total = (uint32_t)len, .done = stream_done, .object = &s };

	tx_stream(&tx, &s);
	drain();
	while (tx.bulk_unpaid) {
		uint32_t credit = piece < tx.bulk_unpaid ? piece : tx.bulk_unpaid;

		assert_int_equal(tx_credit(&tx, credit), 0);
		drain();
	}
	assert_null(s.object);
}

/* One mark, at the beginning; behind the hello frames that give back the payload. */
static void check_wire(size_t len)
{
	size_t at = FRAME_MARK_LEN, got = 0;
	struct frame f;

	assert_int_equal(frame_find_mark(wire, wire_len), 0);
	assert_int_equal(frame_find_mark(wire + 1, wire_len - 1), wire_len - 1);
	while (at < wire_len) {
		assert_int_equal(frame_decode_header(wire + at, &f), 0);
		assert_true(frame_is_closed(&f, wire + at));
		at += FRAME_HEADER_LEN;
		if (f.type != MSG_HELLO) {
			assert_int_equal(f.offset, got);
			memcpy(rebuilt + got, wire + at, f.len);
			got += f.len;
		}
		at += f.len + 1u;
	}
	assert_int_equal(at, wire_len);
	assert_int_equal(got, len);
	assert_memory_equal(rebuilt, payload, len);
}

static void check_payload(size_t len)
{
	size_t whole = len < HY_CHUNK_MAX ? len : HY_CHUNK_MAX;

	greet(0x01020304);
	send_whole(1, whole);
	check_wire(whole);
	greet(0x01020304);
	send_bulk(1, len, MSG_BULK_WINDOW);
	check_wire(len);
	greet(0x01020304);
	send_bulk(1, len, 1000);
	check_wire(len);
}

static void random_payloads_bring_no_mark(void **state)
{
	uint32_t random = 3;

	(void)state;
	for (int i = 0; i < 20; i++) {
		prng_fill(&random, payload, PAYLOAD_MAX);
		check_payload(1 + prng_below(&random, PAYLOAD_MAX));
	}
}

/* All bytes are out of the mark, so that prefixes of it are everywhere. */
static void payloads_of_the_marks_own_bytes_bring_no_mark(void **state)
{
	uint32_t random = 4;

	(void)state;
	for (int i = 0; i < 20; i++) {
		uint32_t pos = 0;

		for (size_t at = 0; at < PAYLOAD_MAX; at++) {
			pos = prng_below(&random, 20) ? pos + 1 : prng_next(&random);
			pos %= FRAME_MARK_LEN;
			payload[at] = (uint8_t)mark[pos];
		}
		check_payload(PAYLOAD_MAX - prng_below(&random, 1000));
	}
}

static void payloads_full_of_marks_bring_no_mark(void **state)
{
	(void)state;
	for (size_t lead = 0; lead < FRAME_MARK_LEN; lead++) {
		for (size_t at = 0; at < PAYLOAD_MAX; at++)
			payload[at] = (uint8_t)mark[(at + lead) % FRAME_MARK_LEN];
		check_payload(BULK_CHUNK + lead);
	}
}

static void a_mark_at_any_place_around_a_border_is_cut(void **state)
{
	(void)state;
	for (size_t border = BULK_CHUNK; border <= 2 * BULK_CHUNK; border += BULK_CHUNK) {
		for (size_t at = border - FRAME_MARK_LEN - 1; at <= border + 1; at++) {
			memset(payload, 0, PAYLOAD_MAX);
			memcpy(payload + at, FRAME_MARK, FRAME_MARK_LEN);
			check_payload(PAYLOAD_MAX);
			memcpy(payload + at + FRAME_MARK_LEN, FRAME_MARK, FRAME_MARK_LEN);
			memcpy(payload + at - FRAME_MARK_LEN, FRAME_MARK, FRAME_MARK_LEN);
			check_payload(at + FRAME_MARK_LEN);
		}
	}
}

static uint32_t slice_of_mark(size_t at)
{
	uint32_t v;

	memcpy(&v, mark + at, sizeof(v));
	return v;
}

/* Numbers a peer or a program chooses: id, epoch, and within their limits total and offset. */
static void headers_made_of_mark_bytes_bring_no_mark(void **state)
{
	const size_t slices = FRAME_MARK_LEN - 3;
	uint8_t buf[2 * FRAME_MARK_LEN + FRAME_HEADER_LEN];

	(void)state;
	memcpy(buf, FRAME_MARK, FRAME_MARK_LEN - 1);
	memcpy(buf + FRAME_MARK_LEN - 1 + FRAME_HEADER_LEN, mark + 1, FRAME_MARK_LEN - 1);
	for (size_t i = 0; i < slices * slices * slices; i++) {
		uint32_t total = slice_of_mark(i % slices);
		struct frame f = {
			.type = 7, .id = slice_of_mark(i / slices % slices),
			.epoch = slice_of_mark(i / slices / slices),
			.total = total & (HY_MESSAGE_MAX - 1), .offset = total & 0xffff,
			.len = (uint16_t)(total & (HY_CHUNK_MAX - 1)),
		};

		encode_header(f, buf + FRAME_MARK_LEN - 1);
		assert_int_equal(frame_find_mark(buf, sizeof(buf) - 2), sizeof(buf) - 2);
	}
	memcpy(payload, FRAME_MARK, FRAME_MARK_LEN);
	for (size_t at = 0; at < slices; at++) {
		greet(slice_of_mark(at));
		send_whole(slice_of_mark(slices - 1 - at), FRAME_MARK_LEN - 1);
		check_wire(FRAME_MARK_LEN - 1);
	}
}

/* The two claims of frame.h about single bytes, on which the rest of them stands. */
static void what_frames_begin_and_end_with_is_not_in_the_mark(void **state)
{
	(void)state;
	assert_null(memchr(mark, FRAME_MAGIC, FRAME_MARK_LEN));
	assert_null(memchr(mark, FRAME_VERSION, FRAME_MARK_LEN));
	assert_null(memchr(mark, 0, FRAME_MARK_LEN));
	/* no part of the mark is the beginning of another: it cannot overlap itself */
	assert_null(memchr(mark + 1, mark[0] & 0xff, FRAME_MARK_LEN - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_ends_with_a_zero_behind_its_payload),
		cmocka_unit_test(a_header_has_the_bytes_that_are_documented),
		cmocka_unit_test(a_wrong_byte_where_there_is_no_choice_is_refused),
		cmocka_unit_test(a_chunk_stays_within_its_limit_and_its_message),
		cmocka_unit_test(the_mark_is_found_wherever_it_is),
		cmocka_unit_test(a_mark_with_one_byte_changed_is_none),
		cmocka_unit_test(a_chunk_ends_within_a_mark),
		cmocka_unit_test(random_payloads_bring_no_mark),
		cmocka_unit_test(payloads_of_the_marks_own_bytes_bring_no_mark),
		cmocka_unit_test(payloads_full_of_marks_bring_no_mark),
		cmocka_unit_test(a_mark_at_any_place_around_a_border_is_cut),
		cmocka_unit_test(headers_made_of_mark_bytes_bring_no_mark),
		cmocka_unit_test(what_frames_begin_and_end_with_is_not_in_the_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
