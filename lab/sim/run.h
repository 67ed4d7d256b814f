/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.h - a law of control on a plant, for a while; and what a plant's jobs take alone
 *
 * Runs in: hylics-sim
 * Reads from: no untrusted input
 */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include "control/law.h"
#include "lab/sim/plant.h"

struct run_settings {
	struct plant_settings plant;
	struct law_settings law;	/* without a curve where its scheme needs one: see below */
	bool fixed;			/* the memory stays what it was at the beginning */
	double memory, seconds;
	double window_s;		/* by which errors are summed: one for all schemes */
	uint64_t seed;
};

/* docs/control.md has the words. */
struct run_result {
	double error_s, over_s;
	double memory_mean, memory_most, resident_most;
	double response_s;		/* mean of all jobs */
	uint64_t jobs, turned_away;
	unsigned int windows;		/* in which jobs ended, as many as say something */
	unsigned int changes;		/* of memory */
	uint64_t reasons[LAW_REASONS_N];
};

/**
 * run_service() - What a job takes on a plant that is never busy with another one
 * @s:		Plant
 * @memory:	MB
 * @jobs:	How many are measured, behind as many that only warm it
 * @seed:	Of chance
 *
 * Return: their mean, s
 */
double run_service(const struct plant_settings *s, double memory, unsigned int jobs,
		   uint64_t seed);

/**
 * run_identify() - The curve of service times over memory
 * @s:		Plant
 * @floor:	From
 * @ceiling:	To
 * @seed:	Of chance
 * @curve:	Set on success
 *
 * Return: 0, -EINVAL: none can be made of what was measured
 */
int run_identify(const struct plant_settings *s, double floor, double ceiling, uint64_t seed,
		 struct curve *curve);

/* One run; the settings of the law must have no fault. */
void run_law(const struct run_settings *s, struct run_result *result);

#endif
