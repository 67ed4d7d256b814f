/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plant.c - a VM with jobs that read files, as events: what a law of control is tried on
 *
 * Runs in: hylics-sim
 * Reads from: no untrusted input
 */
#include "lab/sim/plant.h"

#include <math.h>

#define WORKS_SEED 0x5eed		/* so that both streams differ */
#define DRIFT_KEPT 0.95			/* of the drift, from job to job */

/* -- at the beginning -- */

static void make_files(struct plant *p, double limit_mb)
{
	double mb[SIM_FILES_MAX], sum = 0;

	for (unsigned int i = 0; i < p->set.files; i++) {
		mb[i] = p->set.file_mb * chance_around_one(&p->works, p->set.file_spread);
		sum += pow(i + 1, -p->set.favour);
		p->asked[i] = sum;
	}
	for (unsigned int i = 0; i < p->set.files; i++)
		p->asked[i] /= sum;
	cache_begin(&p->cache, mb, p->set.files, limit_mb);
}

static double between_jobs(const struct plant *p)
{
	return p->other ? p->set.other_every_s : p->set.every_s;
}

static double until_switch(struct plant *p)
{
	switch (p->set.load) {
	case SIM_SWITCHING:
		return p->set.switch_s;
	case SIM_BURSTY:
		return chance_exponential(&p->arrivals, p->set.switch_s);
	default:
		return INFINITY;
	}
}

void plant_begin(struct plant *p, const struct plant_settings *s, uint64_t seed, double limit_mb)
{
	*p = (struct plant){ .set = *s, .arrivals.seed = seed, .works.seed = seed ^ WORKS_SEED };
	if (p->set.files > SIM_FILES_MAX)
		p->set.files = SIM_FILES_MAX;
	make_files(p, limit_mb);
	p->switch_at = until_switch(p);
	p->next_at = chance_exponential(&p->arrivals, between_jobs(p));
}

struct plant_sums plant_since(const struct plant *p, const struct plant_sums *before)
{
	return (struct plant_sums){
		.arrived = p->sums.arrived - before->arrived,
		.ended = p->sums.ended - before->ended,
		.turned_away = p->sums.turned_away - before->turned_away,
		.response_s = p->sums.response_s - before->response_s,
	};
}

/* -- jobs -- */

static unsigned int choose_file(struct plant *p)
{
	double wanted = chance_even(&p->arrivals);
	unsigned int low = 0, high = p->set.files - 1;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (p->asked[middle] > wanted)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static double work_of(struct plant *p, unsigned int file)
{
	double work = p->set.compute_s * chance_around_one(&p->works, p->set.noise);

	p->drifted = DRIFT_KEPT * p->drifted +
		     sqrt(1 - DRIFT_KEPT * DRIFT_KEPT) * chance_normal(&p->works);
	if (!cache_use(&p->cache, file, p->now))
		work += p->set.read_s_per_mb * p->cache.file[file].mb;
	return work * exp(p->set.drift * p->drifted);
}

static void arrive(struct plant *p)
{
	unsigned int file = choose_file(p);

	p->sums.arrived++;
	p->next_at = p->now + chance_exponential(&p->arrivals, between_jobs(p));
	if (p->set.idle_s > 0)
		cache_put_out(&p->cache, p->now - p->set.idle_s);
	if (p->jobs == SIM_JOBS_MAX) {
		p->sums.turned_away++;
		return;
	}
	p->job[p->jobs++] = (struct plant_job){ .arrived_at = p->now,
						.work_s = work_of(p, file) };
}

/* How fast each job runs. */
static double rate(const struct plant *p)
{
	return p->jobs > p->set.vcpus ? (double)p->set.vcpus / p->jobs : 1;
}

static unsigned int shortest(const struct plant *p)
{
	unsigned int found = 0;

	for (unsigned int i = 1; i < p->jobs; i++) {
		if (p->job[i].work_s < p->job[found].work_s)
			found = i;
	}
	return found;
}

static void end(struct plant *p, unsigned int i)
{
	p->sums.ended++;
	p->sums.response_s += p->now - p->job[i].arrived_at;
	p->job[i] = p->job[--p->jobs];
}

/* -- time -- */

static void go_on(struct plant *p, double to)
{
	double done = (to - p->now) * rate(p);

	for (unsigned int i = 0; i < p->jobs; i++)
		p->job[i].work_s -= done;
	p->now = to;
}

static void change_load(struct plant *p)
{
	p->other = !p->other;
	p->switch_at = p->now + until_switch(p);
}

void plant_run(struct plant *p, double until)
{
	while (p->now < until) {
		unsigned int first = shortest(p);
		double end_at = p->jobs ? p->now + fmax(p->job[first].work_s, 0) / rate(p) :
					  INFINITY;
		double to = fmin(fmin(end_at, p->next_at), fmin(p->switch_at, until));

		go_on(p, to);
		if (to == end_at)
			end(p, first);
		else if (to == p->next_at)
			arrive(p);
		else if (to == p->switch_at)
			change_load(p);
	}
}
