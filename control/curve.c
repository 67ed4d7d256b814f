/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * curve.c - how long a job takes, by how much memory its files have
 *
 * Runs in: hylicsd, lab
 * Reads from: times of jobs, which a guest has told (hostile)
 *
 * DOC: The fit
 *
 * For a given c it is a straight line in z = 1 / (m + c), which least squares give at once. What is
 * left is a search over one number: how far left of the smallest m the curve goes to infinity. The
 * logarithm of that distance is tried in even steps over six decades, and refined around the best.
 */
#include "control/curve.h"

#include <errno.h>
#include <math.h>

#define STEPS 60		/* ten to a decade */
#define DECADES 6.0
#define NEAREST 1e-3		/* of the span of m */
#define REFINEMENTS 60		/* the golden section's: below the accuracy of a double */
#define GOLDEN 0.6180339887498949

struct points {
	const struct curve_point *at;
	size_t n;
	double low, span;	/* of m */
};

/* -- for one c -- */

struct sums {
	double z, x, zz, zx;
};

static struct sums mean_sums(const struct points *p, double c)
{
	struct sums s = { 0 };
	double n = (double)p->n;

	for (size_t i = 0; i < p->n; i++) {
		double z = 1 / (p->at[i].m + c), x = p->at[i].x;

		s.z += z / n;
		s.x += x / n;
	}
	/* around their means: the differences are what counts, and may be small */
	for (size_t i = 0; i < p->n; i++) {
		double z = 1 / (p->at[i].m + c) - s.z;

		s.zz += z * z;
		s.zx += z * (p->at[i].x - s.x);
	}
	return s;
}

static double squares(const struct points *p, const struct curve *k)
{
	double sum = 0;

	for (size_t i = 0; i < p->n; i++) {
		double d = p->at[i].x - curve_at(k, p->at[i].m);

		sum += d * d;
	}
	return sum;
}

/* Through the origin of x, where the best line would lie below it far out. */
static double slope_from_zero(const struct points *p, double c)
{
	double zz = 0, zx = 0;

	for (size_t i = 0; i < p->n; i++) {
		double z = 1 / (p->at[i].m + c);

		zz += z * z;
		zx += z * p->at[i].x;
	}
	return zx / zz;
}

/* The best line for this c that neither rises with m nor falls below 0. Return: its squares */
static double fit_line(const struct points *p, double c, struct curve *k)
{
	struct sums s = mean_sums(p, c);

	*k = (struct curve){ .b = s.zz > 0 ? s.zx / s.zz : 0, .c = c };
	if (k->b < 0)
		k->b = 0;
	k->a = s.x - k->b * s.z;
	if (k->a < 0) {
		k->a = 0;
		k->b = slope_from_zero(p, c);
	}
	return squares(p, k);
}

/* -- the search for c -- */

static double c_of(const struct points *p, double step)
{
	return p->span * NEAREST * pow(10, step * DECADES / STEPS) - p->low;
}

static double try_step(const struct points *p, double step)
{
	struct curve k;

	return fit_line(p, c_of(p, step), &k);
}

static double best_step(const struct points *p)
{
	double best = 0, least = INFINITY;

	for (int i = 0; i <= STEPS; i++) {
		double found = try_step(p, i);

		if (found < least) {
			least = found;
			best = i;
		}
	}
	return best;
}

static double refined(const struct points *p, double step)
{
	double low = step - 1, high = step + 1;

	for (int i = 0; i < REFINEMENTS; i++) {
		double width = (high - low) * GOLDEN;

		if (try_step(p, high - width) < try_step(p, low + width))
			high = low + width;
		else
			low = high - width;
	}
	return (low + high) / 2;
}

/* -- the points -- */

static size_t count_values(const struct curve_point *at, size_t n)
{
	size_t values = 0;

	for (size_t i = 0; i < n && values < 3; i++) {
		size_t before = 0;

		while (before < i && at[before].m != at[i].m)
			before++;
		values += before == i;
	}
	return values;
}

static bool are_good(const struct curve_point *at, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!isfinite(at[i].m) || !isfinite(at[i].x) || at[i].m < 0 || at[i].x < 0)
			return false;
	}
	return count_values(at, n) >= 3;
}

static void find_span(struct points *p)
{
	double high = p->at[0].m;

	p->low = high;
	for (size_t i = 1; i < p->n; i++) {
		p->low = fmin(p->low, p->at[i].m);
		high = fmax(high, p->at[i].m);
	}
	p->span = high - p->low;
}

/* 1: all of it, 0: no more than their mean does; 1 where there is nothing to explain. */
static double explained(const struct points *p, const struct curve *k)
{
	struct curve flat = { 0 };
	double all;

	for (size_t i = 0; i < p->n; i++)
		flat.a += p->at[i].x / (double)p->n;
	flat.c = k->c;
	all = squares(p, &flat);
	return all > 0 ? 1 - squares(p, k) / all : 1;
}

int curve_fit(const struct curve_point *at, size_t n, struct curve *out)
{
	struct points p = { .at = at, .n = n };
	struct curve found;

	if (n < 3 || !are_good(at, n))
		return -EINVAL;
	find_span(&p);
	fit_line(&p, c_of(&p, refined(&p, best_step(&p))), &found);
	if (!curve_is_good(&found, p.low))
		return -EINVAL;
	found.r2 = explained(&p, &found);
	*out = found;
	return 0;
}

bool curve_is_good(const struct curve *c, double from)
{
	return isfinite(c->a) && isfinite(c->b) && isfinite(c->c) && c->a >= 0 && c->b >= 0 &&
	       from + c->c > 0 && isfinite(curve_at(c, from));
}

double curve_at(const struct curve *c, double m)
{
	return c->a + c->b / (m + c->c);
}

double curve_inverse(const struct curve *c, double x)
{
	return x > c->a ? c->b / (x - c->a) - c->c : INFINITY;
}
