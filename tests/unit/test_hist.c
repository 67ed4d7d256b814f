/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_hist.c - every value is counted in the one bucket it belongs to, and printed as that
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/hist.h"

static unsigned int bucket_of(uint64_t ns)
{
	struct hy_hist h = { 0 };
	unsigned int found = HY_HIST_BUCKETS;

	hy_hist_add(&h, ns);
	for (unsigned int i = 0; i < HY_HIST_BUCKETS; i++) {
		if (!h.at[i])
			continue;
		assert_int_equal(h.at[i], 1);
		assert_int_equal(found, HY_HIST_BUCKETS);
		found = i;
	}
	assert_in_range(found, 0, HY_HIST_BUCKETS - 1);
	return found;
}

static void buckets_begin_where_they_say(void **state)
{
	(void)state;
	assert_int_equal(hy_hist_from(0), 0);
	for (unsigned int i = 1; i < HY_HIST_BUCKETS; i++) {
		uint64_t from = hy_hist_from(i);

		assert_true(from > hy_hist_from(i - 1));
		assert_int_equal(bucket_of(from), i);
		assert_int_equal(bucket_of(from - 1), i - 1);
	}
}

static void no_bucket_is_wider_than_an_eighth(void **state)
{
	(void)state;
	for (unsigned int i = 8; i + 1 < HY_HIST_BUCKETS; i++)
		assert_true((hy_hist_from(i + 1) - hy_hist_from(i)) * 8 <= hy_hist_from(i));
}

static void what_is_too_long_is_in_the_last(void **state)
{
	(void)state;
	assert_true(hy_hist_from(HY_HIST_BUCKETS - 1) > 30000000000);
	assert_int_equal(bucket_of(UINT64_MAX), HY_HIST_BUCKETS - 1);
	assert_int_equal(bucket_of(1ull << 40), HY_HIST_BUCKETS - 1);
}

static void printed_are_the_bounds_of_those_that_count(void **state)
{
	static const char *const names[] = { "none", "some" };
	struct hy_hist h[2] = { 0 };
	char text[128] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_non_null(f);
	hy_hist_add(&h[1], 3);
	hy_hist_add(&h[1], 1030);
	hy_hist_add(&h[1], 1100);
	hy_hist_add(&h[1], 1151);
	hy_hist_add(&h[1], 1152);
	hy_hist_print_all(h, names, 2, f);
	fclose(f);
	assert_string_equal(text, "{\"none\":{},\"some\":{\"3\":1,\"1024\":3,\"1152\":1}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_begin_where_they_say),
		cmocka_unit_test(no_bucket_is_wider_than_an_eighth),
		cmocka_unit_test(what_is_too_long_is_in_the_last),
		cmocka_unit_test(printed_are_the_bounds_of_those_that_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
