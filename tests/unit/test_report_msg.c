/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_report_msg.c - what a guest tells of itself: documented bytes, what is refused
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

#include "proto/report.h"

static const struct report told = {
	.share = REPORT_SHARE_VIRTIOFS, .cpus = 0x0102, .load_100 = 0x01020304,
	.memory_total = 0x0102030405060708, .memory_available = 0x0102030405060707,
	.cpu_ms = { 1, 2, 3, 4, 5, 6 },
	.not_offered = { 0, 7, 8, [MOVE_CANCELLED] = 9 },
};

static const uint8_t golden[REPORT_LEN] = {
	2, 0, 2, 1, 4, 3, 2, 1, 8, 7, 6, 5, 4, 3, 2, 1, 7, 7, 6, 5, 4, 3, 2, 1,
	1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0,
	4, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0,
	MOVE_REASONS - 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0,
	[REPORT_MIN + 8 * (MOVE_CANCELLED - 1)] = 9,
};

/* In memory of its exact length; what is refused leaves the result as it was. */
static int decode(const uint8_t *bytes, size_t len, struct report *m)
{
	struct report before = { .cpus = 77 };
	uint8_t *copy = malloc(len ? len : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	*m = before;
	rc = report_decode(copy, len, m);
	if (rc < 0)
		assert_memory_equal(m, &before, sizeof(before));
	free(copy);
	return rc;
}

static void a_report_has_the_bytes_that_are_documented(void **state)
{
	uint8_t out[REPORT_LEN];
	struct report m;

	(void)state;
	assert_int_equal(report_encode(&told, out, sizeof(out)), REPORT_LEN);
	assert_memory_equal(out, golden, sizeof(golden));
	assert_int_equal(report_encode(&told, out, sizeof(out) - 1), -EMSGSIZE);
	assert_int_equal(decode(golden, sizeof(golden), &m), 0);
	assert_int_equal(report_encode(&m, out, sizeof(out)), REPORT_LEN);
	assert_memory_equal(out, golden, sizeof(golden));
}

static void one_of_another_length_is_refused(void **state)
{
	uint8_t in[REPORT_LEN + 1] = { [REPORT_MIN - 2] = MOVE_REASONS - 1 };
	struct report m;

	(void)state;
	for (size_t len = 0; len <= sizeof(in); len++)
		assert_int_equal(decode(in, len, &m), len == REPORT_LEN ? 0 : -EPROTO);
}

/* Of fewer reasons the others are 0; of more, those that are not known here are an error each. */
static void other_reasons_are_taken_for_errors(void **state)
{
	uint8_t in[REPORT_MAX] = { 0 };
	struct report m;

	(void)state;
	for (unsigned int i = 0; i < REPORT_REASONS_MAX; i++)
		in[REPORT_MIN + 8 * i] = 1;
	for (unsigned int n = 0; n <= REPORT_REASONS_MAX; n++) {
		uint64_t unknown = n < MOVE_REASONS ? 0 : n - (MOVE_REASONS - 1);

		in[REPORT_MIN - 2] = (uint8_t)n;
		assert_int_equal(decode(in, REPORT_MIN + 8 * n, &m), 0);
		for (unsigned int i = 0; i < MOVE_REASONS; i++)
			assert_int_equal(m.not_offered[i], (i > 0 && i <= n) +
					 (i == MOVE_ERROR ? unknown : 0));
	}
	in[REPORT_MIN - 2]++;
	assert_int_equal(decode(in, sizeof(in), &m), -EPROTO);
	in[REPORT_MIN - 2]--;
	memset(in + REPORT_MIN + 8 * 40, 0xff, 8);
	in[REPORT_MIN + 8 * 40 + 7] = 0x7f;
	assert_int_equal(decode(in, sizeof(in), &m), 0);
	assert_true(m.not_offered[MOVE_ERROR] == INT64_MAX);
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t byte;
	} cases[] = {
		{ 1, 1 },			/* zero */
		{ 15, 0x80 },			/* memory of 2^63 and more */
		{ 16, 9 }, { 23, 2 },		/* more is free than there is */
		{ 31, 0x80 }, { 71, 0xff },	/* likewise CPU time */
		{ 72, 0 }, { 73, 1 },		/* another number of reasons than there are */
		{ REPORT_LEN - 1, 0x80 },	/* too often */
	};
	struct report m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t in[REPORT_LEN];

		memcpy(in, golden, sizeof(in));
		in[cases[i].at] = cases[i].byte;
		assert_int_equal(decode(in, sizeof(in), &m), -EPROTO);
	}
}

static void a_share_of_a_newer_guest_is_another_file_system(void **state)
{
	uint8_t in[REPORT_LEN];
	struct report m;

	(void)state;
	memcpy(in, golden, sizeof(in));
	for (unsigned int share = 0; share < 256; share++) {
		in[0] = (uint8_t)share;
		assert_int_equal(decode(in, sizeof(in), &m), 0);
		assert_int_equal(m.share, share < REPORT_SHARES ? share : REPORT_SHARE_OTHER);
		assert_string_equal(report_share_name(share), report_share_name(m.share));
	}
	assert_string_equal(report_share_name(0), "none");
	assert_string_equal(report_share_name(REPORT_SHARE_9P), "9p");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_report_has_the_bytes_that_are_documented),
		cmocka_unit_test(one_of_another_length_is_refused),
		cmocka_unit_test(other_reasons_are_taken_for_errors),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(a_share_of_a_newer_guest_is_another_file_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
