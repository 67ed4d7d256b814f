/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rls.h - a linear model of what comes next, learnt by recursive least squares
 *
 * Runs in: hylicsd, lab
 * Reads from: outputs a guest has a part in (hostile)
 *
 * Pure. y(k+1) = theta . phi(k), phi(k) = [y(k) .. y(k-nA+1), u(k) .. u(k-nB)]: outputs y, inputs
 * u. Each step is an output that is seen, then an input that is chosen:
 *
 *	rls_see(r, y)	learns from it, if what led to it is whole
 *	rls_act(r, u)
 *
 * The update is the Hylics paper's (5); with a forgetting below 1 old steps count less.
 */
#ifndef HY_RLS_H
#define HY_RLS_H

#include <stdbool.h>

#include "common/limits.h"

#define RLS_SIZE_MAX (HY_RLS_NA_MAX + HY_RLS_NB_MAX + 1)

struct rls_order {
	unsigned int na, nb;	/* 1 to HY_RLS_NA_MAX, 0 to HY_RLS_NB_MAX */
};

struct rls {
	struct rls_order order;
	double f0;		/* of F at the beginning: how little is believed then */
	double forgetting;	/* 1: nothing is forgotten */
	double theta[RLS_SIZE_MAX];
	double f[RLS_SIZE_MAX][RLS_SIZE_MAX];
	double phi[RLS_SIZE_MAX];	/* newest first: outputs, inputs */
	unsigned int outputs, inputs;	/* how many of phi were ever there */
	unsigned int resets;		/* because numbers had become none */
};

/* Begin, with theta 0. Orders beyond the limits are cut to them. */
void rls_begin(struct rls *r, struct rls_order order, double f0, double forgetting);

/* Whether phi is whole: a step can be learnt from, or foretold. */
bool rls_is_whole(const struct rls *r);

/* An output; one that is not finite is left out, and what led to it forgotten. */
void rls_see(struct rls *r, double y);

/* The input behind it. */
void rls_act(struct rls *r, double u);

/* What comes next, by what was seen and done. */
double rls_foretell(const struct rls *r);

/**
 * rls_wanted() - The input with which the next output is foretold to be 0
 * @r:	An output was seen, no input chosen yet
 * @u:	Set if there is one
 *
 * Return: whether there is: inputs are known to do something
 */
bool rls_wanted(const struct rls *r, double *u);

#endif
