/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_handout.c - who is told to have how much: never more than there is, however late it holds
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

#include "hylicsd/handout.h"

#define MB ((uint64_t)1 << 20)
#define VMS_MAX 40
#define WORLDS 300
#define STEPS 60

static struct claim room[VMS_MAX];

static void who_gets_less_is_told_first(void **state)
{
	struct handout at[] = {
		{ .floor = 8 * MB, .want = 8 * MB, .weight = 1, .in_force = 64 * MB,
		  .told = 64 * MB },
		{ .floor = 8 * MB, .want = 64 * MB, .weight = 1, .in_force = 32 * MB,
		  .told = 32 * MB },
	};

	(void)state;
	handout_divide(at, room, 2, 96 * MB);
	assert_int_equal(at[0].told, 8 * MB);
	assert_int_equal(at[1].given, 64 * MB);
	assert_int_equal(at[1].told, 32 * MB);	/* the other has it still */
	at[0].in_force = 50 * MB;		/* some of it is free */
	handout_divide(at, room, 2, 96 * MB);
	assert_int_equal(at[1].told, 46 * MB);
	at[0].in_force = 8 * MB;
	handout_divide(at, room, 2, 96 * MB);
	assert_int_equal(at[1].told, 64 * MB);
}

static void one_that_is_stuck_keeps_nobody_else(void **state)
{
	struct handout at[] = {
		{ 8 * MB, 8 * MB, 1, 68 * MB, 8 * MB, 0 },
		{ 8 * MB, 64 * MB, 1, 8 * MB, 8 * MB, 0 },
		{ 8 * MB, 64 * MB, 1, 8 * MB, 8 * MB, 0 },
	};

	(void)state;
	handout_divide(at, room, 3, 100 * MB);
	assert_int_equal(at[1].given, 46 * MB);
	assert_int_equal(at[1].told, 16 * MB);	/* half of what there is, not all to the first */
	assert_int_equal(at[2].told, 16 * MB);
}

static void what_is_in_force_anyway_costs_nobody(void **state)
{
	struct handout at[] = {
		{ .floor = MB, .want = 40 * MB, .weight = 1, .in_force = 60 * MB, .told = MB },
		{ .floor = MB, .want = 90 * MB, .weight = 1, .in_force = 60 * MB, .told = 60 * MB },
	};

	(void)state;
	handout_divide(at, room, 2, 100 * MB);	/* above already: nobody gets more */
	assert_int_equal(at[0].told, 40 * MB);
	assert_int_equal(at[1].told, 60 * MB);
	handout_divide(at, room, 0, 100 * MB);
}

static uint64_t number(uint64_t most)
{
	return (uint64_t)random() % (most + 1);
}

static uint64_t held_by_all(const struct handout *at, unsigned int n)
{
	uint64_t held = 0;

	for (unsigned int i = 0; i < n; i++)
		held += handout_held(&at[i]);
	return held;
}

/* A limit comes into force at once, later, partly, or not at all. */
static void let_time_go_by(struct handout *at, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		switch (random() % 4) {
		case 0:
			at[i].in_force = at[i].told;
			break;
		case 1:
			if (at[i].in_force > at[i].told)
				at[i].in_force -= number(at[i].in_force - at[i].told);
			break;
		default:
			break;
		}
	}
}

static void assert_sound(const struct handout *at, unsigned int n, uint64_t budget)
{
	assert_true(held_by_all(at, n) <= budget);
	for (unsigned int i = 0; i < n; i++) {
		assert_true(at[i].told >= at[i].floor);
		assert_true(at[i].told <= at[i].given || at[i].told <= at[i].floor);
	}
}

static void assert_settles(struct handout *at, unsigned int n, uint64_t budget)
{
	for (unsigned int i = 0; i < n; i++)
		at[i].in_force = at[i].told;
	handout_divide(at, room, n, budget);	/* less */
	for (unsigned int i = 0; i < n; i++)
		at[i].in_force = at[i].told;
	handout_divide(at, room, n, budget);	/* more */
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(at[i].told, at[i].given);
}

static void whatever_is_wanted_the_budget_and_the_floors_hold(void **state)
{
	struct handout at[VMS_MAX];

	(void)state;
	for (unsigned int world = 0; world < WORLDS; world++) {
		unsigned int n = 1 + (unsigned int)number(VMS_MAX - 1);
		uint64_t budget = number(100 * MB);

		for (unsigned int i = 0; i < n; i++) {
			at[i] = (struct handout){ .floor = number(100 * MB) };
			budget += at[i].floor;
			at[i].told = at[i].floor;
		}
		for (unsigned int step = 0; step < STEPS; step++) {
			for (unsigned int i = 0; i < n; i++) {
				if (random() % 3)
					continue;
				at[i].want = number(300 * MB);
				at[i].weight = (uint32_t)number(1000);
			}
			handout_divide(at, room, n, budget);
			assert_sound(at, n, budget);
			let_time_go_by(at, n);
			assert_sound(at, n, budget);
		}
		assert_settles(at, n, budget);
	}
}

/* A budget that others take from: what is held may be above it, and only falls. */
static void a_budget_that_shrinks_is_kept_to_as_limits_fall(void **state)
{
	struct handout at[VMS_MAX];

	(void)state;
	for (unsigned int world = 0; world < WORLDS; world++) {
		unsigned int n = 1 + (unsigned int)number(VMS_MAX - 1);
		uint64_t budget = 0, before;

		for (unsigned int i = 0; i < n; i++) {
			uint64_t floor = number(50 * MB), more = number(50 * MB);

			at[i] = (struct handout){ floor, 2 * floor + more, 1, floor + more,
						  floor + more, 0 };
			budget += floor;
		}
		for (unsigned int step = 0; step < STEPS; step++) {
			before = held_by_all(at, n);
			handout_divide(at, room, n, budget);
			assert_true(held_by_all(at, n) <= (before > budget ? before : budget));
			let_time_go_by(at, n);
		}
		assert_settles(at, n, budget);
		assert_true(held_by_all(at, n) <= budget);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_gets_less_is_told_first),
		cmocka_unit_test(one_that_is_stuck_keeps_nobody_else),
		cmocka_unit_test(what_is_in_force_anyway_costs_nobody),
		cmocka_unit_test(whatever_is_wanted_the_budget_and_the_floors_hold),
		cmocka_unit_test(a_budget_that_shrinks_is_kept_to_as_limits_fall),
	};

	srandom(23);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
