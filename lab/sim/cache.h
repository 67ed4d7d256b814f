/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cache.h - files of a share: which are in memory, as a limit lets them be
 *
 * Runs in: hylics-sim
 * Reads from: no untrusted input
 *
 * What was used longest ago leaves first, and a file is in memory whole or not at all.
 */
#ifndef SIM_CACHE_H
#define SIM_CACHE_H

#include <stdbool.h>

#define SIM_FILES_MAX 1024

struct cache_file {
	double mb, used_at;
	bool resident;
};

struct cache {
	struct cache_file file[SIM_FILES_MAX];
	unsigned int n;
	double limit_mb, resident_mb, most_mb;	/* most: that was ever resident */
};

/* Files of these sizes, none of them in memory; at most SIM_FILES_MAX. */
void cache_begin(struct cache *c, const double *mb, unsigned int n, double limit_mb);

/* A limit from now on. */
void cache_limit(struct cache *c, double limit_mb);

/**
 * cache_use() - A job reads a file, which is in memory from then on if there is room at all
 * @c:		Cache
 * @file:	Its number
 * @now:	Not before any other use
 *
 * Return: whether it was in memory
 */
bool cache_use(struct cache *c, unsigned int file, double now);

/* Put out what nobody has used since. */
void cache_put_out(struct cache *c, double used_before);

#endif
