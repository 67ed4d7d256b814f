/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bucket.h - how often something may be done: some at once, then one in a while
 *
 * Runs in: hylics-keeper
 * Reads from: no untrusted input
 *
 * Pure: a bucket of tokens, full at the beginning. One is taken each time, and one comes back
 * after each @each_ms until it is full again.
 */
#ifndef HY_KEEPER_BUCKET_H
#define HY_KEEPER_BUCKET_H

#include <stdint.h>

struct bucket {
	uint64_t most, each_ms;		/* tokens when it is full, at least 1 */
	uint64_t full_ms;		/* when it is that again; begins as 0 */
};

/* Take one. Return: 0, or in how many ms there is one */
uint64_t bucket_take(struct bucket *b, uint64_t now_ms);

#endif
