/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cache.c - files of a share: which are in memory, as a limit lets them be
 *
 * Runs in: hylics-sim
 * Reads from: no untrusted input
 */
#include "lab/sim/cache.h"

#include <stddef.h>

void cache_begin(struct cache *c, const double *mb, unsigned int n, double limit_mb)
{
	*c = (struct cache){ .n = n < SIM_FILES_MAX ? n : SIM_FILES_MAX, .limit_mb = limit_mb };
	for (unsigned int i = 0; i < c->n; i++)
		c->file[i].mb = mb[i];
}

static void leave(struct cache *c, struct cache_file *f)
{
	f->resident = false;
	c->resident_mb -= f->mb;
}

static struct cache_file *oldest(struct cache *c)
{
	struct cache_file *found = NULL;

	for (unsigned int i = 0; i < c->n; i++) {
		struct cache_file *f = &c->file[i];

		if (f->resident && (!found || f->used_at < found->used_at))
			found = f;
	}
	return found;
}

/* Until so much more fits. */
static void make_room(struct cache *c, double more_mb)
{
	struct cache_file *f;

	while (c->resident_mb + more_mb > c->limit_mb && (f = oldest(c)))
		leave(c, f);
}

void cache_limit(struct cache *c, double limit_mb)
{
	c->limit_mb = limit_mb;
	make_room(c, 0);
}

bool cache_use(struct cache *c, unsigned int file, double now)
{
	struct cache_file *f = &c->file[file];
	bool was_there = f->resident;

	f->used_at = now;
	if (was_there || f->mb > c->limit_mb)
		return was_there;
	make_room(c, f->mb);
	f->resident = true;
	c->resident_mb += f->mb;
	if (c->resident_mb > c->most_mb)
		c->most_mb = c->resident_mb;
	return false;
}

void cache_put_out(struct cache *c, double used_before)
{
	for (unsigned int i = 0; i < c->n; i++) {
		if (c->file[i].resident && c->file[i].used_at < used_before)
			leave(c, &c->file[i]);
	}
}
