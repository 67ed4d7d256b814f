/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_sim_cache.c - files in memory: who was used longest ago leaves, never above the limit
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <math.h>

#include "lab/sim/cache.h"

#define STEPS 20000
#define FILES 50

static void the_one_used_longest_ago_leaves(void **state)
{
	const double mb[] = { 10, 10, 10, 10 };
	static struct cache c;

	(void)state;
	cache_begin(&c, mb, 4, 30);
	assert_false(cache_use(&c, 0, 1));
	assert_false(cache_use(&c, 1, 2));
	assert_false(cache_use(&c, 2, 3));
	assert_true(cache_use(&c, 0, 4));
	assert_false(cache_use(&c, 3, 5));
	assert_true(c.file[0].resident && !c.file[1].resident && c.file[2].resident);
	assert_true(c.resident_mb == 30 && c.most_mb == 30);
}

static void a_smaller_limit_holds_at_once(void **state)
{
	const double mb[] = { 10, 20, 30 };
	static struct cache c;

	(void)state;
	cache_begin(&c, mb, 3, 100);
	for (unsigned int i = 0; i < 3; i++)
		cache_use(&c, i, i);
	cache_limit(&c, 55);
	assert_true(c.resident_mb == 50 && !c.file[0].resident);
	cache_limit(&c, 0);
	assert_true(c.resident_mb == 0 && c.most_mb == 60);
}

static void a_file_that_never_fits_drives_nobody_out(void **state)
{
	const double mb[] = { 10, 100 };
	static struct cache c;

	(void)state;
	cache_begin(&c, mb, 2, 50);
	cache_use(&c, 0, 1);
	assert_false(cache_use(&c, 1, 2));
	assert_false(cache_use(&c, 1, 3));
	assert_true(cache_use(&c, 0, 4));
}

static void what_nobody_uses_is_put_out(void **state)
{
	const double mb[] = { 10, 10 };
	static struct cache c;

	(void)state;
	cache_begin(&c, mb, 2, 50);
	cache_use(&c, 0, 1);
	cache_use(&c, 1, 5);
	cache_put_out(&c, 5);
	assert_true(!c.file[0].resident && c.file[1].resident && c.resident_mb == 10);
}

static void of_any_use_the_sum_is_right_and_within_the_limit(void **state)
{
	static struct cache c;
	double mb[FILES];

	(void)state;
	for (int i = 0; i < FILES; i++)
		mb[i] = 1 + (double)(random() % 20);
	cache_begin(&c, mb, FILES, 100);
	for (int step = 0; step < STEPS; step++) {
		double sum = 0;

		if (random() % 50 == 0)
			cache_limit(&c, (double)(random() % 200));
		if (random() % 50 == 0)
			cache_put_out(&c, step - (double)(random() % 100));
		cache_use(&c, (unsigned int)random() % FILES, step);
		for (int i = 0; i < FILES; i++)
			sum += c.file[i].resident ? c.file[i].mb : 0;
		assert_true(fabs(sum - c.resident_mb) < 1e-6 && sum <= c.limit_mb);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_one_used_longest_ago_leaves),
		cmocka_unit_test(a_smaller_limit_holds_at_once),
		cmocka_unit_test(a_file_that_never_fits_drives_nobody_out),
		cmocka_unit_test(what_nobody_uses_is_put_out),
		cmocka_unit_test(of_any_use_the_sum_is_right_and_within_the_limit),
	};

	srandom(9);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
