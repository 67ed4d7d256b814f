/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_curve.c - service times over memory: fitted, inverted, refused
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
#include <errno.h>
#include <math.h>

#include "control/curve.h"

#define POINTS 12
#define SETS 2000

static double chance(void)
{
	return (double)random() / (double)RAND_MAX;
}

static void points_of(const struct curve *c, struct curve_point *at, double from)
{
	for (int i = 0; i < POINTS; i++) {
		at[i].m = from + 25 * i;
		at[i].x = curve_at(c, at[i].m);
	}
}

static double squares(const struct curve *c, const struct curve_point *at, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += pow(at[i].x - curve_at(c, at[i].m), 2);
	return sum;
}

static void a_curve_is_found_again(void **state)
{
	static const struct curve known[] = {
		{ .a = 3.3, .b = 60, .c = 20 }, { .a = 0, .b = 500, .c = 100 },
		{ .a = 1, .b = 5, .c = -9 }, { .a = 2, .b = 4000, .c = 900 },
	};
	struct curve_point at[POINTS];
	struct curve found;

	(void)state;
	for (size_t k = 0; k < sizeof(known) / sizeof(*known); k++) {
		points_of(&known[k], at, 10);
		assert_int_equal(curve_fit(at, POINTS, &found), 0);
		for (int i = 0; i < POINTS; i++)
			assert_true(fabs(curve_at(&found, at[i].m) - at[i].x) < 1e-4 * at[i].x);
		assert_true(found.r2 > 0.999999);
	}
}

static void of_points_that_rise_or_stay_it_is_their_mean(void **state)
{
	struct curve_point at[] = { { 10, 4 }, { 20, 5 }, { 40, 6 } };
	struct curve found;

	(void)state;
	assert_int_equal(curve_fit(at, 3, &found), 0);
	assert_true(fabs(curve_at(&found, 0) - 5) < 1e-9 && fabs(found.r2) < 1e-9);
	at[0].x = at[2].x = 5;
	assert_int_equal(curve_fit(at, 3, &found), 0);
	assert_true(fabs(curve_at(&found, 30) - 5) < 1e-9);
}

static void refused(struct curve_point change)
{
	struct curve_point at[] = { { 10, 6 }, { 20, 5 }, { 40, 4 }, change };
	struct curve found = { .a = 77 };

	assert_int_equal(curve_fit(at, 4, &found), -EINVAL);
	assert_true(found.a == 77);
}

static void what_is_no_measurement_is_refused(void **state)
{
	const struct curve_point two[] = { { 10, 6 }, { 20, 5 }, { 10, 6.5 }, { 20, 5.5 } };
	struct curve found;

	(void)state;
	refused((struct curve_point){ NAN, 3 });
	refused((struct curve_point){ 50, NAN });
	refused((struct curve_point){ INFINITY, 3 });
	refused((struct curve_point){ 50, INFINITY });
	refused((struct curve_point){ -1, 3 });
	refused((struct curve_point){ 50, -0.1 });
	assert_int_equal(curve_fit(two, 4, &found), -EINVAL);
	assert_int_equal(curve_fit(two, 2, &found), -EINVAL);
	assert_int_equal(curve_fit(two, 0, &found), -EINVAL);
}

static void the_inverse_is_one(void **state)
{
	const struct curve c = { .a = 3.3, .b = 60, .c = 20 };

	(void)state;
	for (int m = 0; m < 500; m += 10)
		assert_true(fabs(curve_inverse(&c, curve_at(&c, m)) - m) < 1e-6);
	assert_true(isinf(curve_inverse(&c, 3.3)) && isinf(curve_inverse(&c, 1)));
	assert_true(isinf(curve_inverse(&c, NAN)));
}

/* No worse than what trying many c finds. */
static void nothing_is_nearer(const struct curve_point *at, const struct curve *found)
{
	double ours = squares(found, at, POINTS);

	for (int i = 0; i < 200; i++) {
		struct curve other = *found;

		other.a = found->a * (0.9 + 0.2 * chance());
		other.b = found->b * (0.9 + 0.2 * chance());
		other.c = found->c + (chance() - 0.5) * 5;
		if (curve_is_good(&other, at[0].m))
			assert_true(ours <= squares(&other, at, POINTS) * 1.0001 + 1e-9);
	}
}

static void of_any_points_it_is_good_and_the_nearest(void **state)
{
	struct curve_point at[POINTS];
	struct curve found;

	(void)state;
	for (int set = 0; set < SETS; set++) {
		struct curve c = { .a = chance() * 5, .b = chance() * 300, .c = chance() * 50 };

		points_of(&c, at, 1 + 50 * chance());
		for (int i = 0; i < POINTS; i++)
			at[i].x *= 0.7 + 0.6 * chance();
		assert_int_equal(curve_fit(at, POINTS, &found), 0);
		assert_true(curve_is_good(&found, at[0].m) && found.r2 <= 1);
		for (int i = 1; i < POINTS; i++)
			assert_true(curve_at(&found, at[i].m) <= curve_at(&found, at[i - 1].m));
		nothing_is_nearer(at, &found);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_curve_is_found_again),
		cmocka_unit_test(of_points_that_rise_or_stay_it_is_their_mean),
		cmocka_unit_test(what_is_no_measurement_is_refused),
		cmocka_unit_test(the_inverse_is_one),
		cmocka_unit_test(of_any_points_it_is_good_and_the_nearest),
	};

	srandom(7);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
