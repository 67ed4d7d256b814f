/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * threshold.c - from how many bytes on a move pays: arithmetic on what was measured
 *
 * Runs in: hylics-agent
 * Reads from: what programs tell of themselves (hostile): it decides about their own page alone
 */
#include "hylics-agent/threshold.h"

#include "common/limits.h"

#define PS_PER_NS 1000u
#define STEP 4096u			/* what is shown is whole pages */

static uint64_t within(uint64_t value, uint64_t min, uint64_t max)
{
	if (value < min)
		return min;
	return value > max ? max : value;
}

/* A quarter of the way to a sample that is not taken for more than twice or less than half. */
static uint64_t smoothed(uint64_t ps, uint64_t sample)
{
	if (!ps)
		return sample;
	sample = within(sample, ps / 2, 2 * ps);
	return (3 * ps + sample + 3) / 4;	/* rounded up: it can leave 1 again */
}

/* No overflow: what is kept of a sum is at most @enough, a million bytes, times HY_COST_NS_MAX. */
bool gauge_add(struct gauge *g, uint64_t ns, uint64_t n, uint64_t enough)
{
	uint64_t sample;

	if (ns > HY_COST_NS_MAX || n > UINT32_MAX)
		return false;
	g->sum_ns = within(g->sum_ns + ns, 0, enough * HY_COST_NS_MAX);
	g->n += n;
	if (g->n < enough)
		return false;
	sample = g->sum_ns * PS_PER_NS / g->n;
	g->sum_ns = g->n = 0;
	if (!sample)
		return false;
	g->ps = smoothed(g->ps, sample);
	return true;
}

static uint64_t pays_from(uint64_t moves_ps, uint64_t slice_ps, uint64_t plain_ps)
{
	uint64_t moved_ps = slice_ps / HY_SLICE_ALONE;

	if (plain_ps <= moved_ps)
		return HY_THRESHOLD_MAX;
	return within((moves_ps + slice_ps) / (plain_ps - moved_ps), HY_THRESHOLD_MIN,
		      HY_THRESHOLD_MAX);
}

static uint64_t known(const struct gauge *g, const struct gauge *instead)
{
	return g->ps ? g->ps : instead->ps;
}

uint64_t threshold_bytes(const struct threshold *start, const struct threshold *now,
			 const struct told *told)
{
	uint64_t plain_ps = known(&told->plain, &now->plain);

	if (now->move.ps && plain_ps)
		return pays_from(now->move.ps + known(&told->move, &now->move), now->slice.ps,
				 plain_ps);
	if (start->move.ps && start->plain.ps)
		return pays_from(2 * start->move.ps, 0, start->plain.ps);
	return HY_THRESHOLD_DEFAULT;
}

uint64_t threshold_settle(uint64_t shown, uint64_t bytes)
{
	uint64_t off = bytes > shown ? bytes - shown : shown - bytes;

	if (shown && off <= shown / 4)
		return shown;
	return (bytes + STEP - 1) / STEP * STEP;
}

bool threshold_is_high(uint64_t start, uint64_t bytes)
{
	return bytes > start + start / 4;
}
