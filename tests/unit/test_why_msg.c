/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_why_msg.c - why connections were not moved: documented bytes, what is refused, the tally
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/reason.h"
#include "proto/tally.h"
#include "proto/why.h"

static const struct local_why told = {
	.reason = MOVE_NOT_ON_SHARE, .seen = WHY_HERE, .calls = 0x0102, .conns = UINT64_MAX,
	.last = {
		.by = WHY_HOST, .when_ms = 0x0102030405060708, .pid = 3, .user = 4, .number = 5,
		.dev = 6, .ino = 7, .offset = 8, .bytes = 9,
		.local = { .family = 4, .port = 80, .addr = { 10, 0, 0, 1 } },
		.peer = { .family = 6, .port = 0x0102, .addr = { 0x20, 1, [15] = 1 } },
		.program = "lighttpd", .path = "/hylics/a",
	},
};

static const uint8_t golden[] = {
	1, 0, 15, 0, 9, 0, 0, 0, 10, 0, 1,
	2, 1, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	2, 8, 7, 6, 5, 4, 3, 2, 1, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0,
	6, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0,
	9, 0, 0, 0, 0, 0, 0, 0,
	4, 80, 0, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	6, 2, 1, 0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
	8, 0, 'l', 'i', 'g', 'h', 't', 't', 'p', 'd',
	9, 0, '/', 'h', 'y', 'l', 'i', 'c', 's', '/', 'a',
};

/* In memory of its exact length; what is refused leaves the result as it was. */
static int decode(const uint8_t *bytes, size_t len, struct local_why *m)
{
	struct local_why before = { .calls = 77 };
	uint8_t *copy = malloc(len ? len : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	*m = before;
	rc = why_decode(copy, len, m);
	if (rc < 0)
		assert_memory_equal(m, &before, sizeof(before));
	free(copy);
	return rc;
}

static void an_answer_has_the_bytes_that_are_documented(void **state)
{
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_header h;
	struct local_why m;

	(void)state;
	assert_int_equal(why_encode(9, &told, out), sizeof(golden));
	assert_memory_equal(out, golden, sizeof(golden));
	assert_int_equal(local_decode_header(golden, sizeof(golden), &h), 0);
	assert_int_equal(h.type, LOCAL_WHY);
	assert_int_equal(decode(golden, sizeof(golden), &m), 0);
	assert_memory_equal(&m.last.peer, &told.last.peer, sizeof(m.last.peer));
	assert_string_equal(m.last.path, "/hylics/a");
	assert_int_equal(why_encode(9, &m, out), sizeof(golden));
	assert_memory_equal(out, golden, sizeof(golden));
}

static void one_of_another_length_is_refused(void **state)
{
	uint8_t in[sizeof(golden) + 1] = { 0 };
	struct local_why m;

	(void)state;
	memcpy(in, golden, sizeof(golden));
	for (size_t len = LOCAL_HEADER_LEN; len <= sizeof(in); len++)
		assert_int_equal(decode(in, len, &m), len == sizeof(golden) ? 0 : -EPROTO);
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t byte;
	} cases[] = {
		{ 8, MOVE_REASONS }, { 9, 1 }, { 10, WHY_NONE }, { 10, WHY_HIDDEN },
		{ 10, WHY_SEENS }, { 27, WHY_BYS }, { 80, 5 }, { 99, 1 }, { 118, 9 }, { 118, 7 },
		{ 119, 1 }, { 122, 0 },
	};
	struct local_why m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t in[sizeof(golden)];

		memcpy(in, golden, sizeof(in));
		in[cases[i].at] = cases[i].byte;
		assert_int_equal(decode(in, sizeof(in), &m), -EPROTO);
	}
}

static void the_longest_fits_and_none_is_short(void **state)
{
	struct local_why m = told, got;
	uint8_t out[LOCAL_PACKET_MAX];
	size_t len;

	(void)state;
	memset(m.last.program, 'p', WHY_PROGRAM_MAX);
	memset(m.last.path, '/', HY_SHARE_PATH_MAX);
	len = why_encode(1, &m, out);
	assert_true(len < LOCAL_PACKET_MAX);
	assert_int_equal(decode(out, len, &got), 0);
	assert_int_equal(strlen(got.last.path), HY_SHARE_PATH_MAX);
	m.seen = WHY_HIDDEN;
	len = why_encode(1, &m, out);
	assert_int_equal(len, 27);		/* nothing of the example */
	assert_int_equal(decode(out, len, &got), 0);
	assert_int_equal(got.seen, WHY_HIDDEN);
	assert_string_equal(got.last.path, "");
}

static void a_question_is_about_one_reason_of_ours(void **state)
{
	static const uint8_t question[] = { 1, 0, 14, 0, 9, 0, 0, 0, 10, 0 };
	struct local_ask_why m = { .reason = MOVE_NOT_ON_SHARE }, got = { 0 };
	uint8_t out[LOCAL_PACKET_MAX];

	(void)state;
	assert_int_equal(why_encode_ask(9, &m, out), sizeof(question));
	assert_memory_equal(out, question, sizeof(question));
	assert_int_equal(why_decode_ask(out, sizeof(question), &got), 0);
	assert_int_equal(got.reason, MOVE_NOT_ON_SHARE);
	assert_int_equal(why_decode_ask(out, sizeof(question) - 1, &got), -EPROTO);
	assert_int_equal(why_decode_ask(out, sizeof(question) + 1, &got), -EPROTO);
	for (unsigned int i = 0; i < 256; i++) {
		out[8] = (uint8_t)i;
		assert_int_equal(why_decode_ask(out, sizeof(question), &got),
				 i > 0 && i < MOVE_REASONS ? 0 : -EPROTO);
	}
}

/* Program and agent map the same bytes, and may be of different releases. */
static void the_tally_lies_as_documented(void **state)
{
	(void)state;
	assert_int_equal(offsetof(struct hy_tally, version), 0);
	assert_int_equal(offsetof(struct hy_tally, reasons), 4);
	assert_int_equal(offsetof(struct hy_tally, calls), 64);
	assert_int_equal(offsetof(struct hy_tally, last), 64 + 4 * 32 * 8);
	assert_int_equal(offsetof(struct hy_tally_last, number), 4);
	assert_int_equal(offsetof(struct hy_tally_last, when_ms), 8);
	assert_int_equal(offsetof(struct hy_tally_last, dev), 16);
	assert_int_equal(offsetof(struct hy_tally_last, ino), 24);
	assert_int_equal(offsetof(struct hy_tally_last, offset), 32);
	assert_int_equal(offsetof(struct hy_tally_last, bytes), 40);
	assert_int_equal(sizeof(struct hy_tally_last), 64);
	assert_int_equal(sizeof(struct hy_tally), 64 + 4 * 32 * 8 + 32 * 64);
}

static void every_reason_has_a_word_and_a_way_to_mend_it(void **state)
{
	(void)state;
	for (unsigned int i = MOVE_DONE + 1; i < MOVE_REASONS; i++) {
		assert_non_null(move_reason_name(i));
		assert_non_null(move_reason_mend(i));
		assert_true(i == MOVE_ERROR ||
			    strcmp(move_reason_mend(i), move_reason_mend(MOVE_ERROR)) != 0);
	}
	assert_string_equal(move_reason_mend(MOVE_REASONS), move_reason_mend(MOVE_ERROR));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_has_the_bytes_that_are_documented),
		cmocka_unit_test(one_of_another_length_is_refused),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(the_longest_fits_and_none_is_short),
		cmocka_unit_test(a_question_is_about_one_reason_of_ours),
		cmocka_unit_test(the_tally_lies_as_documented),
		cmocka_unit_test(every_reason_has_a_word_and_a_way_to_mend_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
