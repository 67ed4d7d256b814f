/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hist.h - how often something took how long: counters that cost an addition
 *
 * Runs in: worker, agent
 * Reads from: no untrusted input
 *
 * DOC: Buckets
 *
 * Each octave has eight of the same width, so that a bucket is at most an eighth of its values
 * wide, from a microsecond to seconds. What took longer than 2^35 ns, 34 s, is in the last one.
 */
#ifndef HY_HIST_H
#define HY_HIST_H

#include <stdint.h>
#include <stdio.h>

#define HY_HIST_BUCKETS 264u		/* eight for each octave up to 2^35 ns */

struct hy_hist {
	uint64_t at[HY_HIST_BUCKETS];
};

/* Count one that took so many nanoseconds. */
void hy_hist_add(struct hy_hist *h, uint64_t ns);

/* The smallest value that is counted in a bucket. */
uint64_t hy_hist_from(unsigned int bucket);

/**
 * hy_hist_print() - Write the buckets that are not empty: {"1024":3,"1152":1}
 * @h:	Histogram
 * @f:	Where; each is named by the smallest value that is counted in it
 */
void hy_hist_print(const struct hy_hist *h, FILE *f);

/**
 * hy_hist_print_all() - Write several as one object: {"freeze":{...},"dump":{...}}
 * @h:		Histograms
 * @names:	Of each
 * @n:		How many
 * @f:		Where
 */
void hy_hist_print_all(const struct hy_hist *h, const char *const *names, unsigned int n, FILE *f);

#endif
