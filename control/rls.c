/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rls.c - a linear model of what comes next, learnt by recursive least squares
 *
 * Runs in: hylicsd, lab
 * Reads from: outputs a guest has a part in (hostile)
 */
#include "control/rls.h"

#include <math.h>
#include <string.h>

#define GAIN_MIN 1e-9		/* below it what an input does is rounding */

static unsigned int size_of(const struct rls *r)
{
	return r->order.na + r->order.nb + 1;
}

static void forget_all(struct rls *r)
{
	memset(r->theta, 0, sizeof(r->theta));
	memset(r->f, 0, sizeof(r->f));
	for (unsigned int i = 0; i < size_of(r); i++)
		r->f[i][i] = r->f0;
}

static unsigned int within(unsigned int value, unsigned int low, unsigned int high)
{
	return value < low ? low : value > high ? high : value;
}

void rls_begin(struct rls *r, struct rls_order order, double f0, double forgetting)
{
	*r = (struct rls){
		.order = { within(order.na, 1, HY_RLS_NA_MAX), within(order.nb, 0, HY_RLS_NB_MAX) },
		.f0 = f0, .forgetting = forgetting,
	};
	forget_all(r);
}

bool rls_is_whole(const struct rls *r)
{
	return r->outputs == r->order.na && r->inputs == r->order.nb + 1;
}

static double dot(const double *a, const double *b, unsigned int n)
{
	double sum = 0;

	for (unsigned int i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

double rls_foretell(const struct rls *r)
{
	return dot(r->theta, r->phi, size_of(r));
}

static bool is_finite(const struct rls *r)
{
	for (unsigned int i = 0; i < size_of(r); i++) {
		if (!isfinite(r->theta[i]) || !isfinite(r->f[i][i]))
			return false;
	}
	return true;
}

/*
 * F(k-1) = F(k-2) - F phi phi' F / (1 + phi' F phi); theta += F(k-1) phi e. Since F is symmetric,
 * F(k-1) phi = F(k-2) phi / (1 + phi' F phi), and F phi is all that is needed.
 */
static void learn(struct rls *r, double y)
{
	unsigned int n = size_of(r);
	double error = y - rls_foretell(r), gain[RLS_SIZE_MAX], scale;

	for (unsigned int i = 0; i < n; i++)
		gain[i] = dot(r->f[i], r->phi, n);
	scale = r->forgetting + dot(gain, r->phi, n);
	for (unsigned int i = 0; i < n; i++) {
		r->theta[i] += gain[i] / scale * error;
		for (unsigned int j = 0; j <= i; j++) {
			r->f[i][j] = (r->f[i][j] - gain[i] * gain[j] / scale) / r->forgetting;
			r->f[j][i] = r->f[i][j];
		}
	}
	if (is_finite(r))
		return;
	forget_all(r);
	r->resets++;
}

/* One more at the front of @n numbers. */
static void shift(double *at, unsigned int n, double value)
{
	memmove(at + 1, at, (n - 1) * sizeof(*at));
	at[0] = value;
}

void rls_see(struct rls *r, double y)
{
	if (!isfinite(y)) {
		r->outputs = 0;
		return;
	}
	if (rls_is_whole(r))
		learn(r, y);
	shift(r->phi, r->order.na, y);
	if (r->outputs < r->order.na)
		r->outputs++;
}

void rls_act(struct rls *r, double u)
{
	if (!isfinite(u)) {
		r->inputs = 0;
		return;
	}
	shift(r->phi + r->order.na, r->order.nb + 1, u);
	if (r->inputs < r->order.nb + 1)
		r->inputs++;
}

bool rls_wanted(const struct rls *r, double *u)
{
	unsigned int na = r->order.na;
	double rest = dot(r->theta, r->phi, na), wanted;

	/* the inputs of before: each will be one place further back */
	rest += dot(r->theta + na + 1, r->phi + na, r->order.nb);
	if (r->outputs < na || r->inputs < r->order.nb || !(fabs(r->theta[na]) > GAIN_MIN))
		return false;
	wanted = -rest / r->theta[na];
	if (!isfinite(wanted))
		return false;
	*u = wanted;
	return true;
}
