/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * prng.h - random numbers that are the same in every run
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#ifndef TESTS_PRNG_H
#define TESTS_PRNG_H

#include <stddef.h>
#include <stdint.h>

/* The state is the caller's; it begins with any number but 0. */
uint32_t prng_next(uint32_t *state);

/* From 0 to @n-1; @n is not 0. */
uint32_t prng_below(uint32_t *state, uint32_t n);

void prng_fill(uint32_t *state, uint8_t *out, size_t n);	/* @n random bytes */

#endif
