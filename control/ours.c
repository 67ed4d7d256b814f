/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ours.c - the queue's model with one number learnt: how much slower jobs are than it says
 *
 * Runs in: hylicsd, lab
 * Reads from: times of jobs, which a guest has told (hostile)
 */
#include "control/ours.h"

#include <math.h>

#define JOBS_ENOUGH 30		/* whose mean counts as much as all that was known before */
#define JOBS_HEARD 10		/* after which one looks, however rarely they come */
#define RATE_S 120		/* of arrivals, that count as much */
#define JUMP 3			/* deviations of a count by chance: more is another rate */
#define STEP_MOST 0.3		/* of the factor's logarithm: one strange interval is no law */
#define SLOWER_MOST 1e4		/* either way */
#define OVERLOAD 2		/* objectives: jobs pile up, and each that waits delays the next */
#define DOWN 0.7		/* of the way down at once: what leaves memory is dear to read */
#define ASSUMED_RANGE 4		/* of service times, where nobody has measured */

void ours_begin(struct ours *o, bool is_measured)
{
	*o = (struct ours){ .slower = is_measured ? 1 : 0, .per_s = -1 };
}

struct curve ours_curve(double floor, double ceiling)
{
	double c = (ceiling - ASSUMED_RANGE * floor) / (ASSUMED_RANGE - 1);

	/* b / (floor + c) is ASSUMED_RANGE times b / (ceiling + c) */
	return (struct curve){ .b = 1, .c = ceiling > floor ? c : 1 };
}

/* Return: whether it is another rate than before; responses are still those of the former. */
static bool see_rate(struct ours *o, const struct ours_seen *s)
{
	double came = s->per_s * s->seconds, expected = o->per_s * s->seconds;
	bool is_new = o->per_s < 0 ||
		      fabs(came - expected) > JUMP * sqrt(fmax(came, expected)) + 1;

	if (is_new)
		o->per_s = s->per_s;
	else
		o->per_s += (s->per_s - o->per_s) * s->seconds / (s->seconds + RATE_S);
	return is_new;
}

static void see_response(struct ours *o, const struct curve *c, const struct ours_seen *s)
{
	double service_s = s->response_s / (1 + o->per_s * s->response_s);
	double ratio = service_s / curve_at(c, s->memory), step;

	if (!isfinite(ratio) || ratio <= 0)
		return;
	if (o->slower > 0) {
		step = fmax(fmin(log(ratio / o->slower), STEP_MOST), -STEP_MOST);
		ratio = o->slower * exp(step * s->jobs / (s->jobs + JOBS_ENOUGH));
	}
	/* a curve that only has a shape may be of any height */
	o->slower = fmax(fmin(ratio, SLOWER_MOST * SLOWER_MOST), 1 / SLOWER_MOST);
}

struct ours_wanted ours_decide(struct ours *o, const struct curve *c, double tau_s, double floor,
			       double ceiling, const struct ours_seen *s)
{
	struct ours_wanted w = { .memory = ceiling, .rail = QUEUE_CEILING };
	bool knew_rate = o->per_s >= 0, is_new = see_rate(o, s);
	struct curve found = *c;

	if (!is_new || !knew_rate)
		see_response(o, c, s);
	w.overloaded = s->response_s > OVERLOAD * tau_s;
	if (w.overloaded || o->slower <= 0)
		return w;
	found.a *= o->slower;
	found.b *= o->slower;
	w.memory = queue_memory(&found, o->per_s, OURS_AIM * tau_s, floor, ceiling, &w.rail);
	if (w.memory < s->memory)
		w.memory = s->memory - (s->memory - w.memory) * DOWN;
	return w;
}

double ours_interval(const struct ours *o)
{
	return o->per_s > 0 ? JOBS_HEARD / o->per_s : INFINITY;
}
