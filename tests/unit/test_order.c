/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_order.c - the order of a system is found in what it did
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

#include "control/order.h"

#define STEPS 600
#define F0 1e4

static double y[STEPS], u[STEPS];

static double noise(void)
{
	return (double)random() / (double)RAND_MAX * 2 - 1;
}

static struct order_series made(double a1, double a2, double b0, double b1, double shaken)
{
	for (int k = 0; k < STEPS; k++) {
		u[k] = noise();
		y[k] = k < 2 ? noise() : a1 * y[k - 1] + a2 * y[k - 2] + b0 * u[k - 1] +
					 b1 * u[k - 2] + shaken * noise();
	}
	return (struct order_series){ .y = y, .u = u, .n = STEPS, .learnt = STEPS * 2 / 3 };
}

static void assert_chosen(const struct order_series *s, unsigned int na, unsigned int nb,
			  double least)
{
	double r2;
	struct rls_order found = order_choose(s, F0, &r2);

	assert_int_equal(found.na, na);
	assert_int_equal(found.nb, nb);
	assert_true(r2 >= least && r2 <= 1);
}

static void it_is_found(void **state)
{
	struct order_series s = made(0.5, 0, -0.8, 0, 0.1);

	(void)state;
	assert_chosen(&s, 1, 0, 0.9);
	s = made(0.3, 0.4, -0.8, 0, 0.1);
	assert_chosen(&s, 2, 0, 0.9);
	s = made(0.5, 0, -0.8, 0.7, 0.1);
	assert_chosen(&s, 1, 1, 0.9);
}

static void of_noise_alone_nothing_can_be_foretold(void **state)
{
	struct order_series s = made(0, 0, 0, 0, 1);
	double r2;

	(void)state;
	(void)order_choose(&s, F0, &r2);
	assert_true(r2 < 0.1);
}

static void only_what_was_not_learnt_from_judges(void **state)
{
	struct order_series s = made(0.5, 0, -0.8, 0, 0);

	(void)state;
	for (size_t k = s.learnt; k < s.n; k++)
		y[k] = noise();
	assert_true(order_r2(&s, (struct rls_order){ 1, 0 }, F0) < 0.1);
}

/* From there on the input does the opposite: it is judged by what was learnt, to the end. */
static void nothing_is_learnt_from_the_rest(void **state)
{
	struct order_series s = made(0.5, 0, -0.8, 0, 0);
	double mean = 0, errors = 0, differences = 0;

	(void)state;
	for (size_t k = s.learnt; k < s.n; k++)
		y[k] = 0.5 * y[k - 1] + 0.8 * u[k - 1];
	for (size_t k = s.learnt; k < s.n; k++)
		mean += y[k] / (double)(s.n - s.learnt);
	for (size_t k = s.learnt; k < s.n; k++) {
		errors += pow(1.6 * u[k - 1], 2);
		differences += pow(y[k] - mean, 2);
	}
	assert_true(fabs(order_r2(&s, (struct rls_order){ 1, 0 }, F0) -
			 (1 - errors / differences)) < 0.01);
}

static void too_little_is_not_judged(void **state)
{
	struct order_series s = made(0.5, 0, -0.8, 0, 0.1);
	double r2;

	(void)state;
	s.n = 4;
	s.learnt = 3;
	assert_int_equal(order_choose(&s, F0, &r2).na, 0);
	s.n = 0;
	s.learnt = 0;
	assert_int_equal(order_choose(&s, F0, &r2).na, 0);
	assert_true(isinf(r2));
	s.n = 2;
	s.learnt = 5;
	assert_true(isinf(order_r2(&s, (struct rls_order){ 1, 0 }, F0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_found),
		cmocka_unit_test(of_noise_alone_nothing_can_be_foretold),
		cmocka_unit_test(only_what_was_not_learnt_from_judges),
		cmocka_unit_test(nothing_is_learnt_from_the_rest),
		cmocka_unit_test(too_little_is_not_judged),
	};

	srandom(3);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
