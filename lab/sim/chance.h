/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chance.h - numbers by chance, from a seed: even, exponential, normal, by rank
 *
 * Runs in: hylics-sim
 * Reads from: no untrusted input
 */
#ifndef SIM_CHANCE_H
#define SIM_CHANCE_H

#include <stdint.h>

struct chance {
	uint64_t seed, drawn;
};

/* From 0 up to, but not, 1. */
double chance_even(struct chance *c);

/* With this mean: the time until the next of things that come by themselves. */
double chance_exponential(struct chance *c, double mean);

/* With mean 0 and deviation 1. */
double chance_normal(struct chance *c);

/* A number around 1 whose logarithm is normal with this deviation, and whose mean is 1. */
double chance_around_one(struct chance *c, double deviation);

#endif
