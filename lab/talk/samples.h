/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * samples.h - raw latencies, a fair choice of them when there are too many
 *
 * Runs in: hylics-talk client
 * Reads from: no untrusted input
 */
#ifndef TALK_SAMPLES_H
#define TALK_SAMPLES_H

#include <stdint.h>
#include <stdio.h>

#include "lab/talk/talk_limits.h"

struct samples {
	uint64_t seen;
	uint64_t us[TALK_SAMPLES_MAX];
};

/**
 * samples_add() - Keep a latency, or, when there is no room, let it replace one by chance
 * @s:	Zeroed before first use
 * @us:	Microseconds
 *
 * After n of them each has been kept with the same probability.
 */
void samples_add(struct samples *s, uint64_t us);

/**
 * samples_write() - {"seen":N,"us":[...]}
 * @s:	Samples
 * @f:	Where
 */
void samples_write(const struct samples *s, FILE *f);

#endif
