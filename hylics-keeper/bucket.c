/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bucket.c - how often something may be done: some at once, then one in a while
 *
 * Runs in: hylics-keeper
 * Reads from: no untrusted input
 */
#include "hylics-keeper/bucket.h"

uint64_t bucket_take(struct bucket *b, uint64_t now_ms)
{
	uint64_t missing_ms = b->full_ms > now_ms ? b->full_ms - now_ms : 0;
	uint64_t last_ms = (b->most - 1) * b->each_ms;	/* missing, while one is left */

	if (missing_ms > last_ms)
		return missing_ms - last_ms;
	b->full_ms = now_ms + missing_ms + b->each_ms;
	return 0;
}
