/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * marks.c - the jobs that a guest has marked, as a worker wrote them down
 *
 * Runs in: hylicsd
 * Reads from: a worker's counters: the guest's word, or that of a worker that was taken over
 */
#include "hylicsd/marks.h"

#include <stddef.h>

#include "hylicsd/guest.h"
#include "proto/job.h"

static const char *const minute_numbers[] = { "finished", "service_us", "response_us", NULL };
static const char *const sums_numbers[] = { "since_ms", "finished", "service_us", "response_us",
					    NULL };
static const char *const job_texts[] = { "name", "state", NULL };
static const char *const job_numbers[] = { "arrived_ms", "begun_ms", "ended_ms", "code", NULL };

static void add_numbers(json_t *o, const char *const *names, const json_t *from)
{
	for (; *names; names++)
		guest_add_number(o, *names, from);
}

static json_t *numbers_json(const char *const *names, const json_t *from)
{
	json_t *o = json_object();

	add_numbers(o, names, from);
	return o;
}

static json_t *last_json(const json_t *from)
{
	json_t *list = json_array();

	for (size_t i = 0; i < json_array_size(from) && i < HY_JOBS_SHOWN_MAX; i++) {
		const json_t *job = json_array_get(from, i);
		json_t *o = json_object();

		guest_add_texts(o, job_texts, job);
		add_numbers(o, job_numbers, job);
		json_array_append_new(list, o);
	}
	return list;
}

json_t *marks_json(const json_t *from)
{
	json_t *o;

	if (!json_is_object(from))
		return NULL;
	o = json_object();
	add_numbers(o, jobs_total_names, from);
	json_object_set_new(o, "minute", numbers_json(minute_numbers,
						      json_object_get(from, "minute")));
	json_object_set_new(o, "sums", numbers_json(sums_numbers, json_object_get(from, "sums")));
	json_object_set_new(o, "last", last_json(json_object_get(from, "last")));
	return o;
}
