/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * curve.h - how long a job takes, by how much memory its files have
 *
 * Runs in: hylicsd, lab
 * Reads from: times of jobs, which a guest has told (hostile)
 *
 * Pure. The more memory, the shorter, and each further byte helps less: x(m) = a + b / (m + c),
 * with a and b not negative and m + c positive. docs/control.md has the whole.
 */
#ifndef HY_CURVE_H
#define HY_CURVE_H

#include <stdbool.h>
#include <stddef.h>

/* m is in MB, x in seconds. */
struct curve_point {
	double m, x;
};

struct curve {
	double a, b, c;
	double r2;		/* how much of the points' differences it explains */
};

/**
 * curve_fit() - The curve that is nearest to points, by least squares
 * @at:		Points, in any order; several may have the same m
 * @n:		How many, at least 3
 * @out:	Untouched on failure
 *
 * Return: 0, -EINVAL: a point that is not finite or below 0, or fewer than three values of m
 */
int curve_fit(const struct curve_point *at, size_t n, struct curve *out);

/* Whether it is a curve at all from @from on: finite, and nowhere rising. */
bool curve_is_good(const struct curve *c, double from);

/* Seconds at @m. */
double curve_at(const struct curve *c, double m);

/* The m at which it is @x; INFINITY if it never is so short. May be negative. */
double curve_inverse(const struct curve *c, double x);

#endif
