/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hist.c - how often something took how long: counters that cost an addition
 *
 * Runs in: worker, agent
 * Reads from: no untrusted input
 */
#include "common/hist.h"

#include <inttypes.h>

#define STEPS 8u		/* of an octave */
#define STEP_BITS 3

/* The first octaves have fewer than STEPS values: there each value has a bucket of its own. */
static unsigned int bucket_of(uint64_t ns)
{
	unsigned int shift, bucket;

	if (ns < STEPS)
		return (unsigned int)ns;
	shift = 63u - (unsigned int)__builtin_clzll(ns) - STEP_BITS;
	bucket = shift * STEPS + (unsigned int)(ns >> shift);
	return bucket < HY_HIST_BUCKETS ? bucket : HY_HIST_BUCKETS - 1;
}

void hy_hist_add(struct hy_hist *h, uint64_t ns)
{
	h->at[bucket_of(ns)]++;
}

uint64_t hy_hist_from(unsigned int bucket)
{
	unsigned int shift = bucket < 2 * STEPS ? 0 : bucket / STEPS - 1;

	return (uint64_t)(bucket - shift * STEPS) << shift;
}

void hy_hist_print(const struct hy_hist *h, FILE *f)
{
	const char *comma = "";

	fputc('{', f);
	for (unsigned int i = 0; i < HY_HIST_BUCKETS; i++) {
		if (!h->at[i])
			continue;
		fprintf(f, "%s\"%" PRIu64 "\":%" PRIu64, comma, hy_hist_from(i), h->at[i]);
		comma = ",";
	}
	fputc('}', f);
}

void hy_hist_print_all(const struct hy_hist *h, const char *const *names, unsigned int n, FILE *f)
{
	fputc('{', f);
	for (unsigned int i = 0; i < n; i++) {
		fprintf(f, "%s\"%s\":", i ? "," : "", names[i]);
		hy_hist_print(&h[i], f);
	}
	fputc('}', f);
}
