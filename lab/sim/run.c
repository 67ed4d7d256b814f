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

static void until_ended(struct plant *p, uint64_t jobs, double step)
{
	plant_begin_interval(p);
	while (p->ended < jobs)
		plant_run(p, p->now + step);
}

double run_service(const struct plant_settings *s, double memory, unsigned int jobs,
		   uint64_t seed)
{
	static struct plant p;		/* large; one thread */
	struct plant_settings light = *s;

	light.load = SIM_STEADY;
	light.every_s = LIGHT * (s->compute_s + s->read_s_per_mb * s->file_mb);
	light.idle_s = 0;		/* how long nobody comes is not what is measured */
	light.drift = 0;
	plant_begin(&p, &light, seed, memory);
	until_ended(&p, jobs, light.every_s);
	until_ended(&p, jobs, light.every_s);
	return p.response_sum_s / (double)p.ended;
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

/* What memory was since @from counts by how long it was. */
static void add_memory(struct run_result *r, double memory, double seconds)
{
	r->memory_mean += memory * seconds;
	r->memory_most = fmax(r->memory_most, memory);
}

static void add_interval(struct run_result *r, const struct law_settings *s,
			 const struct law_seen *seen)
{
	if (!seen->jobs || seen->jobs < s->jobs_min)
		return;
	r->intervals++;
	r->error_s += fabs(seen->response_s - s->tau_s);
	r->over_s += fmax(seen->response_s - s->tau_s, 0);
}

static struct law_seen seen_by(const struct plant *p, double seconds)
{
	return (struct law_seen){
		.response_s = p->ended ? p->response_sum_s / (double)p->ended : 0,
		.per_s = (double)p->arrived / seconds, .jobs = p->ended,
	};
}

static void one_interval(const struct run_settings *s, struct plant *p, struct law *l,
			 struct run_result *r)
{
	double seconds = fmin(l->interval_s, s->seconds - p->now);
	struct law_seen seen;

	plant_begin_interval(p);
	plant_run(p, p->now + seconds);
	seen = seen_by(p, seconds);
	add_memory(r, l->memory, seconds);
	add_interval(r, &s->law, &seen);
	r->jobs += p->ended;
	r->turned_away += p->turned_away;
	r->response_s += p->response_sum_s;
	if (!s->fixed)
		cache_limit(&p->cache, law_decide(l, &seen));
}

void run_law(const struct run_settings *s, struct run_result *result)
{
	static struct plant p;		/* large; one thread */
	struct run_result r = { 0 };
	struct law l;

	law_begin(&l, &s->law, s->memory);
	plant_begin(&p, &s->plant, s->seed, l.memory);
	while (p.now < s->seconds)
		one_interval(s, &p, &l, &r);
	r.memory_mean /= s->seconds;
	r.resident_most = p.cache.most_mb;
	r.response_s = r.jobs ? r.response_s / (double)r.jobs : 0;
	for (int i = 0; i < LAW_REASONS_N; i++)
		r.reasons[i] = l.counts[i];
	*result = r;
}
