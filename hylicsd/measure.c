/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure.c - how long a guest's jobs took between two moments, by what its worker has summed up
 *
 * Runs in: hylicsd
 * Reads from: a worker's counters: the guest's word, or that of a worker that was taken over
 */
#include "hylicsd/measure.h"

#include <string.h>

#include "common/printable.h"

#define US_PER_S 1e6
#define MS_PER_S 1e3

static const json_t *jobs_of(const json_t *counters)
{
	return json_object_get(json_object_get(counters, "guest"), "jobs");
}

static bool take(const json_t *from, const char *name, uint64_t *n)
{
	const json_t *number = json_object_get(from, name);

	if (!json_is_integer(number) || json_integer_value(number) < 0)
		return false;
	*n = (uint64_t)json_integer_value(number);
	return true;
}

void measure_read(const json_t *counters, uint64_t now_ms, struct measure *m)
{
	const json_t *jobs = jobs_of(counters), *sums = json_object_get(jobs, "sums");

	*m = (struct measure){ .at_ms = now_ms };
	m->told = take(jobs, "arrived", &m->arrived) && take(sums, "since_ms", &m->since_ms) &&
		  take(sums, "finished", &m->finished) &&
		  take(sums, "service_us", &m->service_us) &&
		  take(sums, "response_us", &m->response_us);
}

static bool are_the_same(const struct measure *from, const struct measure *to)
{
	return from->told && to->told && to->since_ms == from->since_ms &&
	       to->arrived >= from->arrived && to->finished >= from->finished &&
	       to->service_us >= from->service_us && to->response_us >= from->response_us;
}

bool measure_between(const struct measure *from, const struct measure *to, struct law_seen *seen,
		     double *service_s)
{
	double jobs;

	*seen = (struct law_seen){ 0 };
	*service_s = 0;
	if (to->at_ms <= from->at_ms || !are_the_same(from, to))
		return false;
	seen->per_s = (double)(to->arrived - from->arrived) * MS_PER_S /
		      (double)(to->at_ms - from->at_ms);
	seen->jobs = to->finished - from->finished;
	if (!seen->jobs)
		return true;
	jobs = (double)seen->jobs;
	seen->response_s = (double)(to->response_us - from->response_us) / US_PER_S / jobs;
	*service_s = (double)(to->service_us - from->service_us) / US_PER_S / jobs;
	return true;
}

bool measure_names(const json_t *counters, const char *name, char other[HY_NAME_MAX + 1])
{
	const json_t *last = json_object_get(jobs_of(counters), "last");
	size_t n = json_array_size(last), others = 0;

	other[0] = '\0';
	if (n > HY_JOBS_SHOWN_MAX)
		n = HY_JOBS_SHOWN_MAX;
	for (size_t i = 0; i < n; i++) {
		const char *is = json_string_value(json_object_get(json_array_get(last, i),
								   "name"));

		if (!is || strcmp(is, name) == 0)
			continue;
		others++;
		hy_copy_printable(other, HY_NAME_MAX + 1, is);
	}
	return others * 2 <= n;
}
