/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_threshold.c - from how many bytes on a move pays, whatever clocks and programs say
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
#include "hylics-agent/threshold.h"

#define US 1000000u			/* picoseconds */

static const struct told nobody;
static const struct threshold nothing;

static struct threshold of(uint64_t move_us, uint64_t slice_us, uint64_t plain_ps)
{
	return (struct threshold){ .move.ps = move_us * US, .slice.ps = slice_us * US,
				   .plain.ps = plain_ps };
}

/* -- gauges -- */

static void enough_make_a_sample(void **state)
{
	struct gauge g = { 0 };

	(void)state;
	assert_false(gauge_add(&g, 1000, 0, 4));
	assert_false(gauge_add(&g, 3000, 3, 4));
	assert_int_equal(g.ps, 0);
	assert_true(gauge_add(&g, 0, 1, 4));
	assert_int_equal(g.ps, 1000000);
	assert_int_equal(g.n, 0);
	assert_int_equal(g.sum_ns, 0);
}

static void a_sample_moves_it_by_a_quarter_at_most(void **state)
{
	struct gauge g = { .ps = 1000000 };

	(void)state;
	assert_true(gauge_add(&g, 1000, 1, 1));
	assert_int_equal(g.ps, 1000000);
	assert_true(gauge_add(&g, 2000, 1, 1));
	assert_int_equal(g.ps, 1250000);
	assert_true(gauge_add(&g, HY_COST_NS_MAX, 1, 1));
	assert_int_equal(g.ps, 1250000 + 1250000 / 4);
	g.ps = 1000000;
	assert_true(gauge_add(&g, 1, 1, 1));
	assert_int_equal(g.ps, 875000);
}

static void it_gets_where_the_samples_are(void **state)
{
	struct gauge g = { .ps = 1 };
	unsigned int n;

	(void)state;
	g.ps = 10 * US;
	for (n = 0; n < 30 && g.ps < 99 * US; n++)
		(void)gauge_add(&g, 100000, 1, 1);
	assert_true(n < 30);
	for (n = 0; n < 40 && g.ps > 11 * US; n++)
		(void)gauge_add(&g, 10000, 1, 1);
	assert_true(n < 40);
}

static void a_clock_that_leaps_says_nothing(void **state)
{
	struct gauge g = { .ps = 5 * US };

	(void)state;
	assert_false(gauge_add(&g, (uint64_t)0 - 1, 1, 1));
	assert_false(gauge_add(&g, (uint64_t)0 - 5000, 1, 1));
	assert_false(gauge_add(&g, (uint64_t)HY_COST_NS_MAX + 1, 1, 1));
	assert_int_equal(g.ps, 5 * US);
	assert_int_equal(g.n, 0);
}

static void a_clock_that_stands_still_says_nothing(void **state)
{
	struct gauge g = { .ps = 5 * US }, fresh = { 0 };

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_false(gauge_add(&g, 0, 1, 1));
		assert_false(gauge_add(&fresh, 0, 1, 1));
	}
	assert_int_equal(g.ps, 5 * US);
	assert_int_equal(fresh.ps, 0);
}

static void counts_do_not_overflow(void **state)
{
	struct gauge g = { 0 };

	(void)state;
	assert_false(gauge_add(&g, 1, UINT64_MAX, 1));
	for (unsigned int i = 0; i < 3 * HY_COST_PLAIN_BYTES; i++)
		(void)gauge_add(&g, HY_COST_NS_MAX, 0, HY_COST_PLAIN_BYTES);
	assert_true(gauge_add(&g, HY_COST_NS_MAX, HY_COST_PLAIN_BYTES, HY_COST_PLAIN_BYTES));
	assert_int_equal(g.ps, (uint64_t)HY_COST_NS_MAX * 1000);
	/* as long as a clock may say, of both: still a threshold */
	assert_int_equal(threshold_bytes(&nothing, &(struct threshold){ g, g, { .ps = 1 } },
					 &(struct told){ .move = g }), HY_THRESHOLD_MAX);
}

static void it_never_becomes_nothing(void **state)
{
	struct gauge g = { .ps = 3 };

	(void)state;
	for (int i = 0; i < 100; i++)
		(void)gauge_add(&g, 1, UINT32_MAX, 1);
	assert_true(g.ps > 0);
}

/* -- the threshold -- */

static void it_is_cost_over_cost_per_byte(void **state)
{
	struct threshold now = of(100, 10, 500);

	(void)state;
	/* (100 + 100 + 10) us over 500 ps, less 10 us for 2 MB */
	assert_int_equal(threshold_bytes(&nothing, &now, &nobody), 210 * US / (500 - 4));
	assert_int_equal(threshold_bytes(&nothing, &now, &(struct told){ .move.ps = 300 * US }),
			 410 * US / (500 - 4));
	assert_int_equal(threshold_bytes(&nothing, &now, &(struct told){ .plain.ps = 1000 }),
			 210 * US / (1000 - 4));
}

static void the_trial_counts_until_both_sides_are_measured(void **state)
{
	struct threshold start = of(30, 0, 150), now = of(0, 0, 0);
	struct told told = { 0 };

	(void)state;
	assert_int_equal(threshold_bytes(&start, &now, &told), 60 * US / 150);
	now = of(100, 5, 0);
	assert_int_equal(threshold_bytes(&start, &now, &told), 60 * US / 150);
	told.plain.ps = 400;
	assert_int_equal(threshold_bytes(&start, &now, &told), 205 * US / (400 - 2));
	now = of(0, 0, 400);
	assert_int_equal(threshold_bytes(&start, &now, &told), 60 * US / 150);
}

static void what_is_not_known_leaves_the_default(void **state)
{
	const struct threshold half = of(30, 0, 0), other = of(0, 0, 150);

	(void)state;
	assert_int_equal(threshold_bytes(&nothing, &nothing, &nobody), HY_THRESHOLD_DEFAULT);
	assert_int_equal(threshold_bytes(&half, &nothing, &nobody), HY_THRESHOLD_DEFAULT);
	assert_int_equal(threshold_bytes(&other, &other, &nobody), HY_THRESHOLD_DEFAULT);
	assert_int_equal(threshold_bytes(&half, &half, &nobody), HY_THRESHOLD_DEFAULT);
}

static void it_has_bounds(void **state)
{
	struct threshold now = of(1, 0, 1000000);

	(void)state;
	assert_int_equal(threshold_bytes(&nothing, &now, &nobody), HY_THRESHOLD_MIN);
	now = of(1000000, 0, 1);
	assert_int_equal(threshold_bytes(&nothing, &now, &nobody), HY_THRESHOLD_MAX);
	/* moving costs more per byte than sending: never, as far as there is one */
	now = of(1, 10000, 100);
	assert_int_equal(threshold_bytes(&nothing, &now, &nobody), HY_THRESHOLD_MAX);
}

static void it_does_not_flap(void **state)
{
	uint64_t shown = threshold_settle(0, 400000), first = shown;

	(void)state;
	assert_int_equal(shown, 98 * 4096);
	for (uint64_t b = first - first / 4; b <= first + first / 4; b += 1000)
		assert_int_equal(threshold_settle(shown, b), first);
	assert_int_equal(threshold_settle(shown, 600000), 147 * 4096);
	assert_int_equal(threshold_settle(shown, 200000), 49 * 4096);
	assert_int_equal(threshold_settle(shown, HY_THRESHOLD_MAX), HY_THRESHOLD_MAX);
	assert_int_equal(threshold_settle(shown, HY_THRESHOLD_MIN), HY_THRESHOLD_MIN);
}

static void what_settling_leaves_is_not_high(void **state)
{
	(void)state;
	assert_false(threshold_is_high(400000, 400000));
	assert_false(threshold_is_high(400000, 500000));
	assert_true(threshold_is_high(400000, 500001));
	assert_false(threshold_is_high(400000, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(enough_make_a_sample),
		cmocka_unit_test(a_sample_moves_it_by_a_quarter_at_most),
		cmocka_unit_test(it_gets_where_the_samples_are),
		cmocka_unit_test(a_clock_that_leaps_says_nothing),
		cmocka_unit_test(a_clock_that_stands_still_says_nothing),
		cmocka_unit_test(counts_do_not_overflow),
		cmocka_unit_test(it_never_becomes_nothing),
		cmocka_unit_test(it_is_cost_over_cost_per_byte),
		cmocka_unit_test(the_trial_counts_until_both_sides_are_measured),
		cmocka_unit_test(what_is_not_known_leaves_the_default),
		cmocka_unit_test(it_has_bounds),
		cmocka_unit_test(it_does_not_flap),
		cmocka_unit_test(what_settling_leaves_is_not_high),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
