/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * law.c - how much memory a VM's share is to have, decided again and again
 *
 * Runs in: hylicsd, lab
 * Reads from: times of jobs, which a guest has told (hostile)
 */
#include "control/law.h"

#include <math.h>
#include <stddef.h>

#define TRY_PART 8		/* of floor to ceiling: a first step, to see what memory does */
#define JOBS_MIN 3
#define RESPONSE_STEP 0.2	/* part of the objective */
#define MEMORY_STEP 0.01	/* part of floor to ceiling */
#define F0 100			/* how little is believed of what was not learnt yet */

const char *law_reason_text(enum law_reason reason)
{
	switch (reason) {
#define LAW_TEXT(name, what)                                                                       \
	case LAW_REASON_##name:                                                                    \
		return what;
	LAW_REASONS(LAW_TEXT)
#undef LAW_TEXT
	default:
		return "unknown";
	}
}

/* -- settings -- */

static bool is_above(double value, double least)
{
	return isfinite(value) && value > least;
}

static bool is_from(double value, double least)
{
	return isfinite(value) && value >= least;
}

/* One of which all is 0 stands for none. */
static bool is_measured(const struct curve *c)
{
	return c->a != 0 || c->b != 0;
}

static bool has_curve(const struct law_settings *s)
{
	if (s->scheme == LAW_ADAPTIVE || (s->scheme == LAW_OURS && !is_measured(&s->curve)))
		return true;		/* does without */
	return is_measured(&s->curve) && curve_is_good(&s->curve, s->floor);
}

void law_settings_usual(struct law_settings *s)
{
	s->quantum = 1;
	s->response_step_s = s->tau_s * RESPONSE_STEP;
	s->memory_step = fmax(s->quantum, (s->ceiling - s->floor) * MEMORY_STEP);
	s->jobs_min = JOBS_MIN;
	s->order = (struct rls_order){ .na = 1, .nb = 0 };
	s->f0 = F0;
	s->forgetting = 1;
}

const char *law_settings_fault(const struct law_settings *s)
{
	if (!is_above(s->tau_s, 0))
		return "the objective must be above 0 s";
	if (!is_from(s->floor, 0) || !is_from(s->ceiling, s->floor))
		return "the memory must go from 0 or more up to no less";
	if (!is_above(s->quantum, 0))
		return "the memory's quantum must be above 0";
	if (!is_from(s->response_step_s, 0) || !is_from(s->memory_step, 0))
		return "thresholds must not be below 0";
	if (!is_above(s->interval_min_s, 0) || !is_from(s->interval_max_s, s->interval_min_s))
		return "the interval must go from above 0 s up to no less";
	if (!is_above(s->f0, 0) || !is_above(s->forgetting, 0) || s->forgetting > 1)
		return "f0 must be above 0, and the forgetting above 0 and at most 1";
	if (!has_curve(s))
		return "the curve of service times is none from the floor on";
	return NULL;
}

/* What jobs take beside another curve says nothing of this one. */
static void set_curve(struct law *l, const struct law_settings *s)
{
	struct curve c = is_measured(&s->curve) ? s->curve : ours_curve(s->floor, s->ceiling);

	if (l->curve.a != c.a || l->curve.b != c.b || l->curve.c != c.c)
		ours_begin(&l->ours, is_measured(&s->curve));
	l->curve = c;
}

void law_change(struct law *l, const struct law_settings *s)
{
	bool is_other = l->set.order.na != s->order.na || l->set.order.nb != s->order.nb;

	l->set = *s;
	if (is_other)
		rls_begin(&l->model, s->order, s->f0, s->forgetting);
	set_curve(l, s);
	l->before_s = -1;
	l->interval_s = fmin(fmax(l->interval_s, s->interval_min_s), s->interval_max_s);
	l->memory = fmin(fmax(l->memory, s->floor), s->ceiling);
}

void law_begin(struct law *l, const struct law_settings *s, double memory)
{
	*l = (struct law){ .memory = isfinite(memory) ? memory : s->ceiling };
	law_change(l, s);
}

/* -- a decision -- */

/* From floor to ceiling, in whole quanta: up rather than too little. */
static double rounded(const struct law_settings *s, double memory)
{
	double quanta = ceil((memory - s->floor) / s->quantum - 1e-9);

	return fmin(fmax(s->floor + quanta * s->quantum, s->floor), s->ceiling);
}

static enum queue_rail rail_of(const struct law_settings *s, double wanted)
{
	if (wanted > s->ceiling)
		return QUEUE_CEILING;
	return wanted < s->floor ? QUEUE_FLOOR : QUEUE_INSIDE;
}

/* Line 6 of the algorithm: the response has changed since the model was last asked. */
static bool asks_queue(const struct law *l, double response_s)
{
	if (l->set.scheme == LAW_ADAPTIVE)
		return false;
	return l->before_s < 0 || fabs(response_s - l->before_s) >= l->set.response_step_s;
}

/* Lines 7 to 9. Return: the memory by the model */
static double by_queue(struct law *l, const struct law_seen *seen)
{
	const struct law_settings *s = &l->set;

	l->before_s = seen->response_s;
	return queue_memory(&s->curve, seen->per_s, s->tau_s, s->floor, s->ceiling, &l->rail);
}

/*
 * Lines 11 to 13: what is to be added. Where nothing is known of what memory does, a step is taken
 * towards where it should help, or none would ever be.
 */
static double by_model(struct law *l, double residual_s, bool *tried)
{
	const struct law_settings *s = &l->set;
	double more = 0;

	*tried = false;
	rls_see(&l->model, residual_s);
	if (s->scheme == LAW_QUEUE)
		return 0;
	if (rls_wanted(&l->model, &more))
		return more;
	*tried = true;
	return copysign((s->ceiling - s->floor) / TRY_PART, residual_s);
}

static enum law_reason reason_of(bool queue, bool added, bool tried)
{
	if (!added)
		return queue ? LAW_REASON_QUEUE : LAW_REASON_WITHIN;
	if (tried)
		return LAW_REASON_TRIED;
	return queue ? LAW_REASON_BOTH : LAW_REASON_LEARNT;
}

/* Lines 14 to 19. */
static void set_interval(struct law *l, bool changed)
{
	const struct law_settings *s = &l->set;

	l->interval_s = changed ? fmax(l->interval_s / 2, s->interval_min_s) :
				  fmin(l->interval_s * 2, s->interval_max_s);
}

static double note(struct law *l, enum law_reason reason)
{
	l->reason = reason;
	l->decisions++;
	l->counts[reason]++;
	return l->memory;
}

static bool says_something(const struct law *l, const struct law_seen *seen)
{
	return seen->jobs >= l->set.jobs_min && seen->jobs > 0 && is_from(seen->response_s, 0) &&
	       is_from(seen->per_s, 0);
}

/* Algorithm 1. */
static enum law_reason decide_paper(struct law *l, const struct law_seen *seen)
{
	const struct law_settings *s = &l->set;
	bool queue = asks_queue(l, seen->response_s), added, tried;
	double base = queue ? by_queue(l, seen) : l->memory;
	double more = by_model(l, seen->response_s - s->tau_s, &tried), next = l->memory;

	added = fabs(more) > 0 && fabs(more) >= s->memory_step;
	if (!added)
		more = 0;
	if (!queue || added)
		l->rail = rail_of(s, base + more);
	if (added || queue)
		next = rounded(s, base + more);
	rls_act(&l->model, next - l->memory);	/* what is done, not what was wanted */
	l->memory = next;
	set_interval(l, added);
	return reason_of(queue, added, tried);
}

static enum law_reason decide_ours(struct law *l, const struct law_seen *seen)
{
	const struct law_settings *s = &l->set;
	const struct ours_seen at = {
		.response_s = seen->response_s, .per_s = seen->per_s, .seconds = l->interval_s,
		.jobs = (double)seen->jobs, .memory = l->memory,
	};
	struct ours_wanted w = ours_decide(&l->ours, &l->curve, s->tau_s, s->floor, s->ceiling,
					   &at);
	double next = rounded(s, w.memory);

	/* the last quantum's larger part is never more than it */
	if (w.rail == QUEUE_FLOOR && next - s->floor <= s->quantum)
		next = s->floor;
	l->rail = w.rail;
	l->interval_s = fmin(fmax(ours_interval(&l->ours), s->interval_min_s), s->interval_max_s);
	/* a rail is reached even by the last little step */
	if (fabs(next - l->memory) < s->memory_step && w.rail == QUEUE_INSIDE)
		return LAW_REASON_WITHIN;
	l->memory = next;
	return w.overloaded ? LAW_REASON_OVERLOADED : LAW_REASON_CORRECTED;
}

double law_decide(struct law *l, const struct law_seen *seen)
{
	if (!says_something(l, seen)) {
		rls_see(&l->model, NAN);	/* what leads to the next response is not known */
		return note(l, LAW_REASON_FEW_JOBS);
	}
	return note(l, l->set.scheme == LAW_OURS ? decide_ours(l, seen) : decide_paper(l, seen));
}

void law_given(struct law *l, double memory)
{
	const struct law_settings *s = &l->set;
	double had = l->memory;

	if (!isfinite(memory) || fabs(memory - had) < s->quantum / 2)
		return;
	l->memory = fmin(fmax(memory, s->floor), s->ceiling);
	if (l->model.inputs)
		l->model.phi[l->model.order.na] += l->memory - had;
}
