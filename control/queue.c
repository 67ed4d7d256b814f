/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue.c - a VM as a queue: M/G/1 with processor sharing
 *
 * Runs in: hylicsd, lab
 * Reads from: rates and times that a guest has told (hostile)
 */
#include "control/queue.h"

#include <math.h>

double queue_response(double per_s, double service_s)
{
	double idle = 1 - per_s * service_s;

	return idle > 0 ? service_s / idle : INFINITY;
}

double queue_service(double per_s, double tau_s)
{
	return tau_s / (1 + per_s * tau_s);
}

double queue_memory(const struct curve *c, double per_s, double tau_s, double floor,
		    double ceiling, enum queue_rail *rail)
{
	double m = curve_inverse(c, queue_service(per_s, tau_s));

	*rail = QUEUE_INSIDE;
	if (m <= floor)
		*rail = QUEUE_FLOOR;
	else if (!(m < ceiling))
		*rail = QUEUE_CEILING;
	return *rail == QUEUE_FLOOR ? floor : *rail == QUEUE_CEILING ? ceiling : m;
}
