/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * impair.h - how bad the wire is: the settings of each direction
 *
 * Runs in: hylics-wire
 * Reads from: whoever started the program or may open its control socket; strict
 */
#ifndef WIRE_IMPAIR_H
#define WIRE_IMPAIR_H

#include <stdint.h>

#include "common/err.h"
#include "lab/wire/fate.h"
#include "lab/wire/wire_limits.h"

struct impair {
	struct fate_odds odds;
	uint32_t reorder_gap;		/* frames that overtake one that is held back */
	uint32_t queue;			/* frames before the rate limit */
	uint64_t delay_ns;
	uint64_t jitter_ns;
	uint64_t reorder_bound_ns;	/* then it goes on, overtaken or not */
	uint64_t rate_bits;		/* per second; 0 means no limit */
};

/**
 * impair_reset() - A wire that changes nothing
 * @i:	One per direction, filled
 */
void impair_reset(struct impair i[WIRE_DIRECTIONS]);

/**
 * impair_set() - Change one setting by its name
 * @i:		Directions a and b; untouched on failure
 * @key:	"loss", "delay", ...: the long option's name
 * @text:	"1%" for both directions, "a:1%" or "b:1%" for one
 * @e:		Error, tells the right spelling
 *
 * Return: 0, -EINVAL, -ERANGE
 */
int impair_set(struct impair i[WIRE_DIRECTIONS], const char *key, const char *text,
	       struct hy_err *e);

#endif
