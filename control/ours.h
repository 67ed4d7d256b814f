/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ours.h - the queue's model with one number learnt: how much slower jobs are than it says
 *
 * Runs in: hylicsd, lab
 * Reads from: times of jobs, which a guest has told (hostile)
 *
 * Pure. The paper learns what a change of memory does, from a few noisy differences, and at first
 * may have its sign wrong. Here the curve says that more memory is faster, and what is learnt is a
 * factor: jobs beside each other on several vCPUs, a slower disk, files that changed, all of it
 * shows as jobs that take longer or shorter than the model says. Whatever is told, more memory
 * follows from longer responses. docs/control.md has why it converges.
 */
#ifndef HY_OURS_H
#define HY_OURS_H

#include <stdbool.h>

#include "control/curve.h"
#include "control/queue.h"

/*
 * Of the objective, what it aims at. Responses rise faster than they fall, so that a mean aimed at
 * the objective would be above it; docs/control.md has by how much.
 */
#define OURS_AIM 0.8

struct ours {
	double slower;			/* what jobs take / what the curve says; 0: not known */
	double per_s;			/* arrivals, smoothed; below 0: not known */
};

/* Of an interval, all of it positive but the rate, which may be 0. */
struct ours_seen {
	double response_s, per_s;
	double seconds;			/* how long it was */
	double jobs;			/* that ended */
	double memory;			/* MB that were in force */
};

struct ours_wanted {
	double memory;			/* MB, from floor to ceiling */
	bool overloaded;		/* so it is the ceiling, whatever the model says */
	enum queue_rail rail;
};

/**
 * ours_begin() - Nothing is known yet
 * @o:		Filled
 * @is_measured:	The curve to come was measured; else only its shape means something
 */
void ours_begin(struct ours *o, bool is_measured);

/* A curve for jobs that nobody has measured: falling steeply, so that steps are short. */
struct curve ours_curve(double floor, double ceiling);

/**
 * ours_decide() - Learn from an interval, and say what memory is wanted
 * @o:		What was learnt
 * @c:		Good from @floor on
 * @tau_s:	The objective
 * @floor:	Least memory, MB
 * @ceiling:	Most
 * @s:		Of the interval
 */
struct ours_wanted ours_decide(struct ours *o, const struct curve *c, double tau_s, double floor,
			       double ceiling, const struct ours_seen *s);

/* Seconds in which as many jobs come as are worth a look; INFINITY if none come. */
double ours_interval(const struct ours *o);

#endif
