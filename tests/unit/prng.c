/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * prng.c - random numbers that are the same in every run
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include "tests/unit/prng.h"

uint32_t prng_next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

uint32_t prng_below(uint32_t *state, uint32_t n)
{
	return prng_next(state) % n;
}

void prng_fill(uint32_t *state, uint8_t *out, size_t n)
{
	while (n-- > 0)
		*out++ = (uint8_t)(prng_next(state) >> 24);
}
