/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_pace.c - how long a program's markers should be
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/limits.h"
#include "hylics-agent/pace.h"

#define LATER HY_SLICE_BUFFERED	/* so much has gone in all */

/* A client that takes so many bytes a second, asked again and again: where the length ends. */
static uint32_t settled(uint32_t slice, uint64_t bytes_per_s)
{
	for (int i = 0; i < 50; i++) {
		uint64_t now = slice ? slice : 4 * HY_SLICE_NEW;

		slice = pace_slice(slice, now, now * 1000 / bytes_per_s, LATER);
	}
	return slice;
}

static void a_marker_takes_its_time(void **state)
{
	static const uint64_t bytes_per_s[] = { 2u << 20, 12500000, 125000000, 400000000 };

	(void)state;
	for (size_t i = 0; i < sizeof(bytes_per_s) / sizeof(bytes_per_s[0]); i++) {
		uint64_t right = bytes_per_s[i] * HY_SLICE_MS / 1000;

		assert_in_range(settled(0, bytes_per_s[i]), right * 9 / 10, right * 11 / 10);
		assert_in_range(settled(HY_SLICE_MAX, bytes_per_s[i]), right * 9 / 10,
				right * 11 / 10);
	}
}

static void the_limits_hold(void **state)
{
	(void)state;
	assert_int_equal(settled(0, 10000), HY_SLICE_MIN);
	assert_int_equal(settled(HY_SLICE_MAX, 10000), HY_SLICE_MIN);
	assert_int_equal(settled(0, 100000000000), HY_SLICE_MAX);
	assert_int_equal(pace_slice(HY_SLICE_MAX, UINT64_MAX, 0, LATER), HY_SLICE_MAX);
	assert_int_equal(pace_slice(0, UINT64_MAX, UINT64_MAX, LATER), HY_SLICE_MIN);
}

static void a_full_buffer_tells_nothing(void **state)
{
	(void)state;
	assert_int_equal(pace_slice(0, HY_SLICE_ALONE, 1, HY_SLICE_ALONE), 4 * HY_SLICE_NEW);
	assert_int_equal(pace_slice(4 * HY_SLICE_NEW, 1 << 20, 1, HY_SLICE_BUFFERED - 1),
			 4 * HY_SLICE_NEW);
	assert_int_equal(pace_slice(4 * HY_SLICE_NEW, HY_SLICE_MIN, HY_SLICE_MS, 0), HY_SLICE_MIN);
}

static void it_grows_by_what_was_sent(void **state)
{
	(void)state;
	assert_int_equal(pace_slice(0, 4 * HY_SLICE_NEW, 0, LATER), 16 * HY_SLICE_NEW);
	assert_int_equal(pace_slice(1 << 20, 1 << 20, 0, LATER), 4 << 20);
	/* the end of a file tells nothing of how fast the client is */
	assert_int_equal(pace_slice(1 << 20, 1000, 0, LATER), 1 << 20);
	assert_int_equal(pace_slice(1 << 20, (1 << 20) - 1, 1, LATER), 1 << 20);
	assert_int_equal(pace_slice(0, 1000, 0, LATER), 0);
	assert_int_equal(pace_slice(0, 0, 0, LATER), 0);
}

static void it_shrinks_at_once(void **state)
{
	(void)state;
	assert_int_equal(pace_slice(64 << 20, 64 << 20, 64 * HY_SLICE_MS, LATER), 1 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_marker_takes_its_time),
		cmocka_unit_test(the_limits_hold),
		cmocka_unit_test(a_full_buffer_tells_nothing),
		cmocka_unit_test(it_grows_by_what_was_sent),
		cmocka_unit_test(it_shrinks_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
