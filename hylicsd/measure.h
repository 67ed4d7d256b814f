/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure.h - how long a guest's jobs took between two moments, by what its worker has summed up
 *
 * Runs in: hylicsd
 * Reads from: a worker's counters: the guest's word, or that of a worker that was taken over
 *
 * A worker's sums only grow, as long as they are the same ones. Those that have begun anew, or went
 * back, say nothing of the time between; whatever is told, no number here is none or below 0.
 */
#ifndef HYLICSD_MEASURE_H
#define HYLICSD_MEASURE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/limits.h"
#include "control/law.h"

/* At a moment. */
struct measure {
	bool told;			/* else nothing below counts */
	uint64_t at_ms;			/* by our clock that never goes back */
	uint64_t since_ms;		/* which sums they are: when they began, by the worker */
	uint64_t arrived, finished, service_us, response_us;
};

/**
 * measure_read() - What a worker has summed up
 * @counters:	All it wrote; may be NULL or anything
 * @now_ms:	By the clock that never goes back
 * @m:		Filled; told is false if there is no whole set of sums
 */
void measure_read(const json_t *counters, uint64_t now_ms, struct measure *m);

/**
 * measure_between() - What happened between two moments
 * @from:	The earlier one
 * @to:		The later one
 * @seen:	Filled: no jobs where nothing can be said
 * @service_s:	Filled: mean service time, 0 without jobs
 *
 * Return: whether something can be said: no time has gone by, or the sums are not the same ones
 */
bool measure_between(const struct measure *from, const struct measure *to, struct law_seen *seen,
		     double *service_s);

/**
 * measure_names() - Whether a worker's last jobs have a name
 * @counters:	All it wrote
 * @name:	That a model is of
 * @other:	Filled with a name there is instead, printable; "" if there is none
 *
 * Return: false if more than half of them have another one
 */
bool measure_names(const json_t *counters, const char *name, char other[HY_NAME_MAX + 1]);

#endif
