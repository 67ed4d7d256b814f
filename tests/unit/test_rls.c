/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_rls.c - what is learnt is what least squares say
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

#include "control/rls.h"

#define STEPS 400
#define F0 1e4

static double noise(void)
{
	return (double)random() / (double)RAND_MAX * 2 - 1;
}

/* y(k+1) = 0.6 y(k) - 0.2 y(k-1) - 0.5 u(k) + 0.1 u(k-1), as far as an order has it. */
static const double known_a[] = { 0.6, -0.2, 0.05, 0 }, known_b[] = { -0.5, 0.1, 0.05, 0, 0 };

struct plant {
	struct rls_order order;
	double y[STEPS + 1], u[STEPS + 1];
};

static double next(const struct plant *p, int k)
{
	double sum = 0;

	for (unsigned int i = 0; i < p->order.na; i++)
		sum += known_a[i] * p->y[k - (int)i];
	for (unsigned int i = 0; i <= p->order.nb; i++)
		sum += known_b[i] * p->u[k - (int)i];
	return sum;
}

/* Begins where all orders have a past. */
static void run(struct plant *p, struct rls *r, double shaken)
{
	for (int k = 0; k < STEPS; k++) {
		rls_see(r, p->y[k]);
		p->u[k] = noise();
		rls_act(r, p->u[k]);
		p->y[k + 1] = (k < RLS_SIZE_MAX ? noise() : next(p, k)) + shaken * noise();
	}
}

static void every_order_learns_what_is_there(void **state)
{
	(void)state;
	for (unsigned int na = 1; na <= 3; na++) {
		for (unsigned int nb = 0; nb <= 2; nb++) {
			static struct plant p;
			struct rls r;

			p = (struct plant){ .order = { na, nb } };
			rls_begin(&r, p.order, F0, 0.9);
			run(&p, &r, 0);
			for (unsigned int i = 0; i < na; i++)
				assert_true(fabs(r.theta[i] - known_a[i]) < 1e-3);
			for (unsigned int i = 0; i <= nb; i++)
				assert_true(fabs(r.theta[na + i] - known_b[i]) < 1e-3);
		}
	}
}

/* A linear system of n equations, by elimination; the matrix is positive definite. */
static void solve(double a[][RLS_SIZE_MAX + 1], unsigned int n, double *x)
{
	for (unsigned int i = 0; i < n; i++) {
		for (unsigned int j = i + 1; j < n; j++) {
			double part = a[j][i] / a[i][i];

			for (unsigned int k = i; k <= n; k++)
				a[j][k] -= part * a[i][k];
		}
	}
	for (unsigned int i = n; i-- > 0;) {
		x[i] = a[i][n];
		for (unsigned int j = i + 1; j < n; j++)
			x[i] -= a[i][j] * x[j];
		x[i] /= a[i][i];
	}
}

/*
 * Step by step it is what all steps at once give: (sum phi phi' + I / f0) theta = sum phi y, where
 * a step counts as often as it was not forgotten.
 */
static void assert_least_squares(double forgetting)
{
	static struct plant p = { .order = { 2, 1 } };
	double a[RLS_SIZE_MAX][RLS_SIZE_MAX + 1] = { 0 }, theta[RLS_SIZE_MAX];
	unsigned int n = 4;
	struct rls r;

	rls_begin(&r, p.order, 10, forgetting);
	run(&p, &r, 0.5);
	for (unsigned int i = 0; i < n; i++)
		a[i][i] = 1 / 10.0;
	for (int k = 1; k < STEPS - 1; k++) {
		const double phi[] = { p.y[k], p.y[k - 1], p.u[k], p.u[k - 1] };

		for (unsigned int i = 0; i < n; i++) {
			for (unsigned int j = 0; j < n; j++)
				a[i][j] = a[i][j] * forgetting + phi[i] * phi[j];
			a[i][n] = a[i][n] * forgetting + phi[i] * p.y[k + 1];
		}
	}
	solve(a, n, theta);
	for (unsigned int i = 0; i < n; i++)
		assert_true(fabs(r.theta[i] - theta[i]) < 1e-6);
}

static void steps_add_up_to_least_squares(void **state)
{
	(void)state;
	assert_least_squares(1);
	assert_least_squares(0.97);
	assert_least_squares(0.7);
}

static void the_wanted_input_brings_zero(void **state)
{
	static struct plant p = { .order = { 2, 1 } };
	struct rls r;
	double u = 77;

	(void)state;
	rls_begin(&r, p.order, F0, 0.9);
	assert_false(rls_wanted(&r, &u));
	run(&p, &r, 0);
	rls_see(&r, p.y[STEPS]);
	assert_true(rls_wanted(&r, &u));
	rls_act(&r, u);
	assert_true(fabs(rls_foretell(&r)) < 1e-9);
	p.u[STEPS] = u;
	assert_true(fabs(next(&p, STEPS)) < 1e-3);
}

static void of_an_input_that_does_nothing_none_is_wanted(void **state)
{
	struct rls r;
	double u = 77;

	(void)state;
	rls_begin(&r, (struct rls_order){ 1, 0 }, F0, 1);
	for (int k = 0; k < 50; k++) {
		rls_see(&r, 1);
		assert_false(rls_wanted(&r, &u));
		rls_act(&r, 0);
	}
	assert_true(u == 77);
}

static void what_is_no_number_leaves_nothing_behind(void **state)
{
	static struct plant p = { .order = { 1, 0 } };
	struct rls r, before;

	(void)state;
	rls_begin(&r, p.order, F0, 1);
	run(&p, &r, 0);
	before = r;
	rls_see(&r, NAN);
	assert_false(rls_is_whole(&r));
	rls_act(&r, 1);
	rls_see(&r, 5);		/* nobody knows what led to it */
	assert_memory_equal(r.theta, before.theta, sizeof(r.theta));
	assert_memory_equal(r.f, before.f, sizeof(r.f));
	rls_act(&r, INFINITY);
	rls_see(&r, 5);
	assert_memory_equal(r.theta, before.theta, sizeof(r.theta));
	rls_act(&r, 1);
	rls_see(&r, 5);
	assert_memory_not_equal(r.theta, before.theta, sizeof(r.theta));
}

static void numbers_that_run_over_begin_anew(void **state)
{
	struct rls r;

	(void)state;
	rls_begin(&r, (struct rls_order){ 1, 0 }, F0, 1);
	for (int k = 0; k < 8; k++) {
		rls_see(&r, k % 2 ? 1e300 : -1e300);
		rls_act(&r, 1e300);
	}
	assert_true(r.resets > 0);
	for (int i = 0; i < 2; i++)
		assert_true(isfinite(r.theta[i]) && isfinite(r.f[i][i]));
}

/* Return: how far it is from a gain that has changed half way */
static double lag(double forgetting)
{
	struct rls r;
	double y = 0;

	rls_begin(&r, (struct rls_order){ 1, 0 }, F0, forgetting);
	for (int k = 0; k < 200; k++) {
		double u = noise();

		rls_see(&r, y);
		rls_act(&r, u);
		y = 0.5 * y + (k < 100 ? -1 : -3) * u;
	}
	return fabs(r.theta[1] + 3);
}

static void who_forgets_follows(void **state)
{
	(void)state;
	assert_true(lag(0.9) < 0.01 && lag(1) > 0.5);
}

static void orders_stay_within_their_limits(void **state)
{
	struct rls r;

	(void)state;
	rls_begin(&r, (struct rls_order){ 0, 99 }, F0, 1);
	assert_int_equal(r.order.na, 1);
	assert_int_equal(r.order.nb, HY_RLS_NB_MAX);
	rls_begin(&r, (struct rls_order){ 99, 0 }, F0, 1);
	assert_int_equal(r.order.na, HY_RLS_NA_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_order_learns_what_is_there),
		cmocka_unit_test(steps_add_up_to_least_squares),
		cmocka_unit_test(the_wanted_input_brings_zero),
		cmocka_unit_test(of_an_input_that_does_nothing_none_is_wanted),
		cmocka_unit_test(what_is_no_number_leaves_nothing_behind),
		cmocka_unit_test(numbers_that_run_over_begin_anew),
		cmocka_unit_test(who_forgets_follows),
		cmocka_unit_test(orders_stay_within_their_limits),
	};

	srandom(5);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
