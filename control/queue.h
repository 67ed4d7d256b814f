/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue.h - a VM as a queue: M/G/1 with processor sharing
 *
 * Runs in: hylicsd, lab
 * Reads from: rates and times that a guest has told (hostile)
 *
 * Pure. Jobs arrive at a rate, and share the processor; with a mean service time of E seconds the
 * mean response time is R = E / (1 - rate * E). The Hylics paper, section 5.
 */
#ifndef HY_QUEUE_H
#define HY_QUEUE_H

#include "control/curve.h"

/* Where a wanted memory lies beside what a VM may have. */
enum queue_rail {
	QUEUE_INSIDE,
	QUEUE_FLOOR,		/* with the least it is fast enough */
	QUEUE_CEILING		/* with the most it is not, or just so */
};

/* Seconds a job takes with others beside it; INFINITY where more comes than is done. */
double queue_response(double per_s, double service_s);

/* The service time at which responses take @tau_s. */
double queue_service(double per_s, double tau_s);

/**
 * queue_memory() - The memory with which responses take a given time
 * @c:		Service times, good from @floor on
 * @per_s:	Arrivals
 * @tau_s:	The time
 * @floor:	Least memory
 * @ceiling:	Most, at least @floor
 * @rail:	Which of both it is, if any
 *
 * Return: MB from @floor to @ceiling. What is not a number is heeded as the ceiling
 */
double queue_memory(const struct curve *c, double per_s, double tau_s, double floor,
		    double ceiling, enum queue_rail *rail);

#endif
