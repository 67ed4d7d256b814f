/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * order.h - how many outputs and inputs of before a model needs
 *
 * Runs in: lab
 * Reads from: no untrusted input
 *
 * Pure. Each order is learnt from the first part of a series and judged by the rest, which it has
 * not seen: r2 = 1 - squares of its errors / squares of the differences from the mean.
 */
#ifndef HY_ORDER_H
#define HY_ORDER_H

#include <stddef.h>

#include "control/rls.h"

/* y[k] is seen, then u[k] chosen. */
struct order_series {
	const double *y, *u;
	size_t n;
	size_t learnt;		/* steps of the first part */
};

/* How well an order foretells the rest; -INFINITY if it is too little, or nothing differs. */
double order_r2(const struct order_series *s, struct rls_order order, double f0);

/**
 * order_choose() - The best of all orders there are
 * @s:	Series
 * @f0:	As for rls_begin()
 * @r2:	Its r2
 *
 * Of two that are within a hundredth the smaller one is better.
 *
 * Return: it; na is 0 if none could be judged
 */
struct rls_order order_choose(const struct order_series *s, double f0, double *r2);

#endif
