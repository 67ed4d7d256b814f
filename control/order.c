/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * order.c - how many outputs and inputs of before a model needs
 *
 * Runs in: lab
 * Reads from: no untrusted input
 */
#include "control/order.h"

#include <math.h>

#define REST_MIN 3		/* outputs that are foretold: fewer say nothing */
#define BETTER 0.01

static double mean_of(const double *at, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += at[i];
	return sum / (double)n;
}

/* As rls_see(), but nothing is learnt. */
static void watch(struct rls *r, double y)
{
	struct rls as_it_was = *r;

	rls_see(r, y);
	for (unsigned int i = 0; i < RLS_SIZE_MAX; i++) {
		r->theta[i] = as_it_was.theta[i];
		for (unsigned int j = 0; j < RLS_SIZE_MAX; j++)
			r->f[i][j] = as_it_was.f[i][j];
	}
}

double order_r2(const struct order_series *s, struct rls_order order, double f0)
{
	double mean, errors = 0, differences = 0;
	struct rls r;

	if (s->learnt > s->n || s->n - s->learnt < REST_MIN)
		return -INFINITY;
	rls_begin(&r, order, f0, 1);
	for (size_t k = 0; k < s->learnt; k++) {
		rls_see(&r, s->y[k]);
		rls_act(&r, s->u[k]);
	}
	mean = mean_of(s->y + s->learnt, s->n - s->learnt);
	for (size_t k = s->learnt; k < s->n; k++) {
		double error = s->y[k] - rls_foretell(&r), difference = s->y[k] - mean;

		if (!rls_is_whole(&r))
			return -INFINITY;
		errors += error * error;
		differences += difference * difference;
		watch(&r, s->y[k]);
		rls_act(&r, s->u[k]);
	}
	return differences > 0 && isfinite(errors) ? 1 - errors / differences : -INFINITY;
}

struct rls_order order_choose(const struct order_series *s, double f0, double *r2)
{
	struct rls_order best = { 0 };

	*r2 = -INFINITY;
	for (unsigned int size = 1; size <= HY_RLS_NA_MAX + HY_RLS_NB_MAX; size++) {
		for (unsigned int na = 1; na <= HY_RLS_NA_MAX && na <= size; na++) {
			struct rls_order order = { na, size - na };
			double found = order.nb <= HY_RLS_NB_MAX ? order_r2(s, order, f0) :
								   -INFINITY;

			/* smaller ones come first */
			if (found > *r2 + (best.na ? BETTER : 0)) {
				best = order;
				*r2 = found;
			}
		}
	}
	return best;
}
