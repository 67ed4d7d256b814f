/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plant.h - a VM with jobs that read files, as events: what a law of control is tried on
 *
 * Runs in: hylics-sim
 * Reads from: no untrusted input
 *
 * Jobs come by chance, each for a file that some ask for more often than others. A job computes,
 * and reads its file first if that is not in memory. Jobs that run at the same time share the
 * vCPUs. Nothing of this is the law's model: it has no file, no vCPU, no recency and no drift.
 */
#ifndef SIM_PLANT_H
#define SIM_PLANT_H

#include <stdbool.h>
#include <stdint.h>

#include "lab/sim/cache.h"
#include "lab/sim/chance.h"

#define SIM_JOBS_MAX 4096		/* at the same time; further ones are turned away */

enum sim_load {
	SIM_STEADY,			/* one mean time between jobs */
	SIM_SWITCHING,			/* two, by turns */
	SIM_BURSTY			/* by chance either, for times by chance */
};

struct plant_settings {
	unsigned int vcpus, files;
	double file_mb, file_spread;	/* mean; deviation of its logarithm */
	double favour;			/* rank r is asked for in proportion to 1 / r^favour */
	double compute_s;		/* of a job */
	double read_s_per_mb;		/* more, where its file is not in memory */
	double noise, drift;		/* deviations of the logarithm: of a job; of all, slowly */
	double idle_s;			/* a file not used so long leaves memory; 0: none does */
	enum sim_load load;
	double every_s, other_every_s, switch_s;
};

struct plant_job {
	double arrived_at, work_s;	/* left */
};

/* Of all jobs since the beginning. */
struct plant_sums {
	uint64_t arrived, ended, turned_away;
	double response_s;		/* of those that ended */
};

struct plant {
	struct plant_settings set;
	struct chance arrivals, works;	/* apart, so that what is decided changes no arrival */
	struct cache cache;
	double asked[SIM_FILES_MAX];	/* sums of how often files are asked for, up to 1 */
	struct plant_job job[SIM_JOBS_MAX];
	unsigned int jobs;
	double now, next_at, switch_at, drifted;
	bool other;
	struct plant_sums sums;
};

/* Begin at time 0. */
void plant_begin(struct plant *p, const struct plant_settings *s, uint64_t seed, double limit_mb);

/* What was added to the sums since they were @before. */
struct plant_sums plant_since(const struct plant *p, const struct plant_sums *before);

/* Let it go on until then. */
void plant_run(struct plant *p, double until);

#endif
