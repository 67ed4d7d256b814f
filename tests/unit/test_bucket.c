/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_bucket.c - some at once, then one in a while, whenever they are asked for
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

#include "hylics-keeper/bucket.h"

#define MOST 16
#define EACH_MS 1000
#define T0 5000000u
#define STEPS 100000u

static struct bucket emptied(void)
{
	struct bucket b = { .most = MOST, .each_ms = EACH_MS };

	for (unsigned int i = 0; i < MOST; i++)
		assert_int_equal(bucket_take(&b, T0), 0);
	return b;
}

static void as_many_as_it_holds_at_once_and_no_more(void **state)
{
	struct bucket b = emptied();

	(void)state;
	assert_int_equal(bucket_take(&b, T0), EACH_MS);
	assert_int_equal(bucket_take(&b, T0 + 1), EACH_MS - 1);
}

static void one_comes_back_at_its_time_and_not_before(void **state)
{
	struct bucket b = emptied();

	(void)state;
	for (unsigned int i = 1; i <= 5; i++) {
		assert_int_equal(bucket_take(&b, T0 + i * EACH_MS - 1), 1);
		assert_int_equal(bucket_take(&b, T0 + i * EACH_MS), 0);
		assert_int_equal(bucket_take(&b, T0 + i * EACH_MS), EACH_MS);
	}
}

static void a_long_rest_makes_it_full_and_not_fuller(void **state)
{
	struct bucket b = emptied();
	uint64_t later = T0 + 1000u * EACH_MS;

	(void)state;
	for (unsigned int i = 0; i < MOST; i++)
		assert_int_equal(bucket_take(&b, later), 0);
	assert_int_equal(bucket_take(&b, later), EACH_MS);
}

static void one_that_holds_one(void **state)
{
	struct bucket b = { .most = 1, .each_ms = EACH_MS };

	(void)state;
	assert_int_equal(bucket_take(&b, T0), 0);
	assert_int_equal(bucket_take(&b, T0), EACH_MS);
	assert_int_equal(bucket_take(&b, T0 + EACH_MS), 0);
}

/* Whatever the times: never more than it holds and what came back; who waits as told gets one. */
static void any_order_of_times_keeps_the_rate(void **state)
{
	struct bucket b = { .most = MOST, .each_ms = EACH_MS };
	uint64_t now = T0, taken = 0;

	(void)state;
	srandom(5);
	for (unsigned int i = 0; i < STEPS; i++) {
		uint64_t wait;

		now += (uint64_t)(random() % 8 ? random() % 300 : random() % 9000);
		wait = bucket_take(&b, now);
		assert_true(wait <= EACH_MS);
		if (wait) {
			struct bucket copy = b;

			assert_int_equal(bucket_take(&copy, now + wait - 1), 1);
			assert_int_equal(bucket_take(&copy, now + wait), 0);
		}
		taken += !wait;
		assert_true(taken <= MOST + (now - T0) / EACH_MS);
	}
	assert_true(taken > MOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_as_it_holds_at_once_and_no_more),
		cmocka_unit_test(one_comes_back_at_its_time_and_not_before),
		cmocka_unit_test(a_long_rest_makes_it_full_and_not_fuller),
		cmocka_unit_test(one_that_holds_one),
		cmocka_unit_test(any_order_of_times_keeps_the_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
