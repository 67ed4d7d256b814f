/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_arbiter.c - memory divided: floors, weights, and never more than there is
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

#include "control/arbiter.h"

#define MB ((uint64_t)1 << 20)
#define CLAIMS 200
#define SETS 2000

static void who_finds_enough_has_what_he_wants(void **state)
{
	struct claim at[] = { { 10 * MB, 100 * MB, 1, 0 }, { 50 * MB, 20 * MB, 9, 0 } };

	(void)state;
	assert_int_equal(arbiter_divide(at, 2, 200 * MB), 150 * MB);
	assert_int_equal(at[0].given, 100 * MB);
	assert_int_equal(at[1].given, 50 * MB);		/* his floor */
	assert_int_equal(arbiter_divide(at, 0, 200 * MB), 0);
}

static void what_is_left_goes_by_weight(void **state)
{
	struct claim at[] = { { 10 * MB, 1000 * MB, 1, 0 }, { 10 * MB, 1000 * MB, 2, 0 },
			      { 10 * MB, 30 * MB, 3, 0 }, { 10 * MB, 10 * MB, 100, 0 } };

	(void)state;
	/* 120 to divide, of which the third wants 20: 100 by one and two */
	assert_int_equal(arbiter_divide(at, 4, 160 * MB), 160 * MB - 1);
	assert_int_equal(at[0].given, 10 * MB + 100 * MB / 3);
	assert_int_equal(at[1].given, 10 * MB + 200 * MB / 3);
	assert_int_equal(at[2].given, 30 * MB);
	assert_int_equal(at[3].given, 10 * MB);
}

static void a_weight_of_nothing_is_one(void **state)
{
	struct claim at[] = { { 0, 100, 0, 0 }, { 0, 100, 1, 0 } };

	(void)state;
	assert_int_equal(arbiter_divide(at, 2, 50), 50);
	assert_int_equal(at[0].given, 25);
}

static void floors_that_are_too_much_shrink_alike(void **state)
{
	struct claim at[] = { { 100 * MB, 500 * MB, 1, 0 }, { 300 * MB, 0, 7, 0 } };

	(void)state;
	assert_int_equal(arbiter_divide(at, 2, 200 * MB), 200 * MB);
	assert_int_equal(at[0].given, 50 * MB);
	assert_int_equal(at[1].given, 150 * MB);
	assert_int_equal(arbiter_divide(at, 2, 0), 0);
}

static void the_largest_numbers_do_not_run_over(void **state)
{
	struct claim at[CLAIMS], two[] = { { UINT64_MAX, 0, 1, 0 }, { UINT64_MAX / 2, 0, 1, 0 } };
	uint64_t given;

	(void)state;
	assert_true(arbiter_divide(two, 2, 300 * MB) <= 300 * MB);
	assert_true(two[0].given > 199 * MB && two[0].given <= 200 * MB);
	assert_true(two[1].given > 99 * MB && two[1].given <= 100 * MB);
	for (int i = 0; i < CLAIMS; i++)
		at[i] = (struct claim){ UINT64_MAX, UINT64_MAX, UINT32_MAX, 0 };
	given = arbiter_divide(at, CLAIMS, UINT64_MAX);
	assert_true(given <= UINT64_MAX && given > UINT64_MAX - (UINT64_MAX >> 20));
	for (int i = 0; i < CLAIMS; i++)
		assert_true(at[i].given == at[0].given && at[i].given <= UINT64_MAX / CLAIMS);
	for (int i = 0; i < CLAIMS; i++)
		at[i].floor = 0;
	given = arbiter_divide(at, CLAIMS, UINT64_MAX);
	assert_true(given > UINT64_MAX - CLAIMS);
}

static uint64_t above_floor(const struct claim *c)
{
	return c->given - c->floor;
}

/* Who wants more has gone up at least as far, by his weight, as everybody else. */
static void assert_fair(const struct claim *at, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (at[i].given >= at[i].want)
			continue;
		for (unsigned int j = 0; j < n; j++) {
			double his = (double)above_floor(&at[j]) / at[j].weight;
			double mine = (double)(above_floor(&at[i]) + n) / at[i].weight;

			assert_true(his <= mine * 1.000001);
		}
	}
}

static void of_any_claims_it_is_fair_and_within_the_budget(void **state)
{
	static struct claim at[CLAIMS];

	(void)state;
	for (int set = 0; set < SETS; set++) {
		unsigned int n = 1 + (unsigned int)random() % (set % 20 ? 8 : CLAIMS);
		uint64_t budget = 0, floors = 0, given, wants = 0;

		for (unsigned int i = 0; i < n; i++) {
			at[i] = (struct claim){ (uint64_t)random() % (64 * MB),
						(uint64_t)random() % (512 * MB),
						1 + (uint32_t)random() % 10, 0 };
			floors += at[i].floor;
			wants += at[i].want > at[i].floor ? at[i].want : at[i].floor;
		}
		budget = floors + (uint64_t)random() % (512 * MB);
		given = arbiter_divide(at, n, budget);
		assert_true(given <= budget && given <= wants);
		assert_true(given == wants || budget - given < n);
		for (unsigned int i = 0; i < n; i++) {
			given -= at[i].given;
			assert_true(at[i].given >= at[i].floor);
		}
		assert_int_equal(given, 0);
		assert_fair(at, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_finds_enough_has_what_he_wants),
		cmocka_unit_test(what_is_left_goes_by_weight),
		cmocka_unit_test(a_weight_of_nothing_is_one),
		cmocka_unit_test(floors_that_are_too_much_shrink_alike),
		cmocka_unit_test(the_largest_numbers_do_not_run_over),
		cmocka_unit_test(of_any_claims_it_is_fair_and_within_the_budget),
	};

	srandom(11);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
