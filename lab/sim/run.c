/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.c - a law of control on a plant, for a while; and what a plant's jobs take alone
 *
 * Runs in: hylics-sim
 * Reads from: no untrusted input
 */
#include "lab/sim/run.h"

#include <math.h>

#define LIGHT 50		/* of a job's time lies between two: hardly any meets another */
#define IDENTIFY_POINTS 9
#define IDENTIFY_JOBS 200

/* -- what jobs take alone -- */

static struct plant_sums until_ended(struct plant *p, uint64_t jobs, double step)
{
	struct plant_sums before = p->sums;

	while (plant_since(p, &before).ended < jobs)
		plant_run(p, p->now + step);
	return plant_since(p, &before);
}

double run_service(const struct plant_settings *s, double memory, unsigned int jobs,
		   uint64_t seed)
{
	static struct plant p;		/* large; one thread */
	struct plant_settings light = *s;
	struct plant_sums seen;

	light.load = SIM_STEADY;
	light.every_s = LIGHT * (s->compute_s + s->read_s_per_mb * s->file_mb);
	light.idle_s = 0;		/* how long nobody comes is not what is measured */
	light.drift = 0;
	plant_begin(&p, &light, seed, memory);
	(void)until_ended(&p, jobs, light.every_s);
	seen = until_ended(&p, jobs, light.every_s);
	return seen.response_s / (double)seen.ended;
}

int run_identify(const struct plant_settings *s, double floor, double ceiling, uint64_t seed,
		 struct curve *curve)
{
	struct curve_point at[IDENTIFY_POINTS];

	for (int i = 0; i < IDENTIFY_POINTS; i++) {
		at[i].m = floor + (ceiling - floor) * i / (IDENTIFY_POINTS - 1);
		at[i].x = run_service(s, at[i].m, IDENTIFY_JOBS, seed);
	}
	return curve_fit(at, IDENTIFY_POINTS, curve);
}

/* -- a run -- */

/* Counts and times since @from, when the sums were @before. */
struct span {
	double from, length;
	struct plant_sums before;
};

struct run {
	const struct run_settings *set;
	struct plant plant;
	struct law law;
	struct span interval, window;
	struct run_result result;
};

static void begin_span(const struct run *r, struct span *s, double length)
{
	*s = (struct span){ .from = r->plant.now, .length = length, .before = r->plant.sums };
}

static bool is_over(const struct run *r, const struct span *s)
{
	return r->plant.now >= s->from + s->length;
}

static double mean_of(const struct plant_sums *s)
{
	return s->ended ? s->response_s / (double)s->ended : 0;
}

static void end_window(struct run *r)
{
	const struct law_settings *s = &r->set->law;
	struct plant_sums seen = plant_since(&r->plant, &r->window.before);

	begin_span(r, &r->window, r->set->window_s);
	if (!seen.ended || seen.ended < s->jobs_min)
		return;
	r->result.windows++;
	r->result.error_s += fabs(mean_of(&seen) - s->tau_s);
	r->result.over_s += fmax(mean_of(&seen) - s->tau_s, 0);
}

static void end_interval(struct run *r)
{
	struct plant_sums sums = plant_since(&r->plant, &r->interval.before);
	struct law_seen seen = {
		.response_s = mean_of(&sums), .jobs = sums.ended,
		.per_s = (double)sums.arrived / (r->plant.now - r->interval.from),
	};
	double before = r->law.memory;

	if (!r->set->fixed)
		cache_limit(&r->plant.cache, law_decide(&r->law, &seen));
	r->result.changes += r->law.memory != before;
	begin_span(r, &r->interval, r->law.interval_s);
}

/* Until the next moment at which something is to be done. */
static void go_on(struct run *r)
{
	double from = r->plant.now, until = fmin(r->interval.from + r->interval.length,
						 r->window.from + r->window.length);

	until = fmin(until, r->set->seconds);
	plant_run(&r->plant, until);
	/* what memory is counts by how long it is */
	r->result.memory_mean += r->law.memory * (until - from) / r->set->seconds;
	r->result.memory_most = fmax(r->result.memory_most, r->law.memory);
	if (is_over(r, &r->window))
		end_window(r);
	if (is_over(r, &r->interval))
		end_interval(r);
}

void run_law(const struct run_settings *s, struct run_result *result)
{
	static struct run r;		/* large; one thread */

	r = (struct run){ .set = s };
	law_begin(&r.law, &s->law, s->memory);
	plant_begin(&r.plant, &s->plant, s->seed, r.law.memory);
	begin_span(&r, &r.interval, r.law.interval_s);
	begin_span(&r, &r.window, s->window_s);
	while (r.plant.now < s->seconds)
		go_on(&r);
	*result = r.result;
	result->resident_most = r.plant.cache.most_mb;
	result->response_s = mean_of(&r.plant.sums);
	result->jobs = r.plant.sums.ended;
	result->turned_away = r.plant.sums.turned_away;
	for (int i = 0; i < LAW_REASONS_N; i++)
		result->reasons[i] = r.law.counts[i];
}
