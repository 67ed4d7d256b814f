/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chance.c - numbers by chance, from a seed: even, exponential, normal, by rank
 *
 * Runs in: hylics-sim
 * Reads from: no untrusted input
 */
#include "lab/sim/chance.h"

#include <math.h>

#include "lab/wire/fate.h"

#define BITS 53		/* of a double */
#define TWO_PI 6.283185307179586

double chance_even(struct chance *c)
{
	const struct fate_key key = { .seed = c->seed, .number = c->drawn++ };

	return (double)(fate_word(&key, FATE_LOSS) >> (64 - BITS)) / (double)(1ull << BITS);
}

double chance_exponential(struct chance *c, double mean)
{
	return -mean * log(1 - chance_even(c));
}

double chance_normal(struct chance *c)
{
	double far = sqrt(-2 * log(1 - chance_even(c)));

	return far * cos(TWO_PI * chance_even(c));
}

double chance_around_one(struct chance *c, double deviation)
{
	return exp(deviation * chance_normal(c) - deviation * deviation / 2);
}
