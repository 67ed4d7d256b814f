/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * law.h - how much memory a VM's share is to have, decided again and again
 *
 * Runs in: hylicsd, lab
 * Reads from: times of jobs, which a guest has told (hostile)
 *
 * Pure. The Hylics paper's Algorithm 1, either half of it alone, and ours. Whoever uses it
 * measures for interval_s, asks law_decide(), sets the memory it says, and begins anew. Whatever
 * is told, the memory stays from floor to ceiling and the interval within its bounds.
 * docs/control.md has the whole.
 */
#ifndef HY_LAW_H
#define HY_LAW_H

#include <stdbool.h>
#include <stdint.h>

#include "control/curve.h"
#include "control/ours.h"
#include "control/queue.h"
#include "control/rls.h"

enum law_scheme {
	LAW_ADAPTIVE,		/* only what was learnt while it ran */
	LAW_QUEUE,		/* only the queue's model */
	LAW_BOTH,		/* Algorithm 1 */
	LAW_OURS		/* ours.h: the queue's model, corrected */
};

/* Why the memory is what it is now. */
#define LAW_REASONS(X)                                                                             \
	X(NONE, "nothing has been decided yet")                                                    \
	X(FEW_JOBS, "too few jobs have ended to say anything")                                     \
	X(WITHIN, "what would be changed is below the threshold")                                  \
	X(LEARNT, "by what was learnt from response times")                                        \
	X(QUEUE, "by the queue's model")                                                           \
	X(BOTH, "by the queue's model, and by what was learnt")                                    \
	X(TRIED, "to see what memory does: nothing is known yet")                                  \
	X(CORRECTED, "by the queue's model, corrected by what was seen")                           \
	X(OVERLOADED, "jobs pile up: the most until they do not")

#define LAW_REASON(name, what) LAW_REASON_##name,
enum law_reason { LAW_REASONS(LAW_REASON) LAW_REASONS_N };
#undef LAW_REASON

/* Memory is in MB. */
struct law_settings {
	enum law_scheme scheme;
	double tau_s;			/* the objective: mean response time */
	double floor, ceiling;
	double quantum;			/* a decision is a multiple of it above the floor */
	double response_step_s;		/* R_thresh: a change that asks for the queue's model */
	double memory_step;		/* m_thresh: a change that is worth making */
	double interval_min_s, interval_max_s;
	unsigned int jobs_min;		/* that must have ended in an interval */
	struct rls_order order;
	double f0, forgetting;		/* as for rls_begin() */
	struct curve curve;		/* all 0: nobody has measured */
};

/* Of an interval. */
struct law_seen {
	double response_s;		/* mean of the jobs that ended in it */
	double per_s;			/* arrivals */
	uint64_t jobs;			/* that ended */
};

struct law {
	struct law_settings set;
	struct rls model;
	struct ours ours;
	struct curve curve;		/* the settings', or one that is assumed */
	double memory, interval_s;
	double before_s;		/* response when the queue was last asked; below 0: never */
	enum law_reason reason;
	enum queue_rail rail;		/* at which the last decision stopped, if at any */
	uint64_t decisions, counts[LAW_REASONS_N];
};

/**
 * law_settings_fault() - What is wrong with settings
 * @s:	Settings
 *
 * Return: a sentence, NULL: nothing
 */
const char *law_settings_fault(const struct law_settings *s);

/**
 * law_settings_usual() - What hylicsd takes where nobody has chosen: thresholds and quantum, the
 * order that the paper found best, nothing forgotten
 * @s:	Objective, floor and ceiling filled
 *
 * A response must change by a fifth of the objective: the paper's 2 s of 10 s.
 */
void law_settings_usual(struct law_settings *s);

/* Begin with a memory; settings must have no fault. The first interval is the shortest. */
void law_begin(struct law *l, const struct law_settings *s, double memory);

/**
 * law_change() - Other settings, while it runs
 * @l:	What was learnt stays if the order does
 * @s:	Without a fault
 */
void law_change(struct law *l, const struct law_settings *s);

/**
 * law_decide() - An interval is over
 * @l:		Law
 * @seen:	In it; what is not a number, or below 0, counts as an interval without jobs
 *
 * Return: the memory from now on
 */
double law_decide(struct law *l, const struct law_seen *seen);

/**
 * law_given() - It has another memory than was decided: before the next decision
 * @l:		Law
 * @memory:	What is in force; less than half a quantum of difference is none
 *
 * Of what was done is learnt, not of what was wanted.
 */
void law_given(struct law *l, double memory);

/* In words; not NULL. */
const char *law_reason_text(enum law_reason reason);

#endif
