/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pace.c - how many bytes of a file the program may promise with one marker
 *
 * Runs in: hylics-agent
 * Reads from: no untrusted input
 */
#include "hylics-agent/pace.h"

#include "common/limits.h"

#define GROWTH 4
#define FIRST ((uint64_t)HY_SLICE_NEW * GROWTH)

static uint64_t within(uint64_t n, uint64_t low, uint64_t high)
{
	return n < low ? low : n > high ? high : n;
}

uint32_t pace_slice(uint32_t slice, uint64_t bytes, uint64_t ms, uint64_t gone)
{
	uint64_t now = slice ? slice : FIRST;
	uint64_t most = gone < HY_SLICE_BUFFERED ? FIRST : now * GROWTH;
	uint64_t right;

	bytes = within(bytes, 0, (uint64_t)HY_ITEMS_MAX * HY_SLICE_MAX);
	right = ms ? bytes * HY_SLICE_MS / ms : most;
	if (bytes < now && right >= now)
		return slice;		/* the end of a file: it went, that is all */
	return (uint32_t)within(within(right, 0, most), HY_SLICE_MIN, HY_SLICE_MAX);
}
