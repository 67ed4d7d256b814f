/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * threshold.h - from how many bytes on a move pays: arithmetic on what was measured
 *
 * Runs in: hylics-agent
 * Reads from: what programs tell of themselves (hostile): it decides about their own page alone
 *
 * DOC: When a move pays
 *
 * An answer of n bytes takes the guest n * plain of CPU time if the guest sends it. Moved, it takes
 * what agent and program spend on the move, with its share of coming home, and on the slice, and
 * per byte next to nothing: a slice again for every HY_SLICE_ALONE bytes. So it pays from
 *
 *	(agent's move + program's move + slice) / (plain - slice / HY_SLICE_ALONE)
 *
 * bytes on. The trial at the start knows less than all of both, so what was measured since counts
 * only when there is a figure for both sides; one of each kind would tilt the scale.
 *
 * Every figure is smoothed: one sample moves it by at most a quarter, however wrong a clock or a
 * program is. What comes out is kept within HY_THRESHOLD_MIN and HY_THRESHOLD_MAX, and what
 * programs see changes only when it is off by more than a quarter.
 */
#ifndef AGENT_THRESHOLD_H
#define AGENT_THRESHOLD_H

#include <stdbool.h>
#include <stdint.h>

/* CPU time of one of something, smoothed; all zeros: nothing is known yet. */
struct gauge {
	uint64_t ps;			/* picoseconds, 0: not known */
	uint64_t sum_ns, n;		/* that are still to be made a sample of */
};

/**
 * gauge_add() - So much was spent, on so many
 * @g:		Gauge
 * @ns:		CPU time; more than HY_COST_NS_MAX is a clock's mistake, and none of this is taken
 * @n:		How many of them are done with it, perhaps 0: more is to be spent on it
 * @enough:	How many make a sample: 1 to HY_COST_PLAIN_BYTES
 *
 * Return: whether @g->ps was set anew
 */
bool gauge_add(struct gauge *g, uint64_t ns, uint64_t n, uint64_t enough);

struct threshold {
	struct gauge move, slice, plain;	/* plain: per byte */
};

/* What a program tells of itself; not known: as much as the agent. */
struct told {
	struct gauge move, plain;
};

/**
 * threshold_bytes() - From how many bytes on a move pays
 * @start:	What the trial found
 * @now:	What was measured since
 * @told:	By the program that would move
 *
 * Return: HY_THRESHOLD_MIN to HY_THRESHOLD_MAX; HY_THRESHOLD_DEFAULT if too little is known
 */
uint64_t threshold_bytes(const struct threshold *start, const struct threshold *now,
			 const struct told *told);

/* What is shown from now on, if it was @shown, or 0: nothing, and @bytes came out. */
uint64_t threshold_settle(uint64_t shown, uint64_t bytes);

/* Is it so much higher than it was at the start that settling does not explain it? */
bool threshold_is_high(uint64_t start, uint64_t bytes);

#endif
