/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * show_jobs.c - a guest's jobs as `hylics vm show` prints them
 *
 * Runs in: hylics
 * Reads from: hylicsd
 */
#include "cli/show_jobs.h"

#include <stdio.h>

#include "cli/show.h"

#define US_PER_S 1e6

static void show_totals(const json_t *jobs)
{
	static const char *const words[] = { "running", "arrived", "finished", "failed", "lost",
					     "dropped", NULL };

	printf(SHOW_COLUMN, "jobs");
	for (const char *const *word = words; *word; word++)
		printf("%s%" JSON_INTEGER_FORMAT " %s", word == words ? "" : ", ",
		       shown_number(jobs, *word), *word);
	if (shown_number(jobs, "untold"))
		printf(", the times of %" JSON_INTEGER_FORMAT " untold",
		       shown_number(jobs, "untold"));
	putchar('\n');
}

static void show_minute(const json_t *minute)
{
	if (!shown_number(minute, "finished"))
		return;
	printf(SHOW_COLUMN "last minute: %" JSON_INTEGER_FORMAT " finished, mean service %.3f s, "
	       "response %.3f s\n", "", shown_number(minute, "finished"),
	       (double)shown_number(minute, "service_us") / US_PER_S,
	       (double)shown_number(minute, "response_us") / US_PER_S);
}

static void show_how(const json_t *job)
{
	const json_t *code = json_object_get(job, "code");

	printf("%s", shown_text(job, "state"));
	if (code)
		printf(" %" JSON_INTEGER_FORMAT, json_integer_value(code));
}

static double seconds_between(const json_t *job, const char *from, const char *to)
{
	return (double)(shown_number(job, to) - shown_number(job, from)) / SHOW_MS_PER_S;
}

static void show_job(const json_t *job)
{
	printf(SHOW_COLUMN "%s: ", "job", shown_text(job, "name"));
	show_how(job);
	show_when(", arrived", shown_number(job, "arrived_ms"));
	printf(", waited %.3f s", seconds_between(job, "arrived_ms", "begun_ms"));
	show_when(", began", shown_number(job, "begun_ms"));
	if (json_object_get(job, "ended_ms")) {
		printf(", ran %.3f s", seconds_between(job, "begun_ms", "ended_ms"));
		show_when(", ended", shown_number(job, "ended_ms"));
	}
	putchar('\n');
}

void show_jobs(const json_t *jobs)
{
	const json_t *last = json_object_get(jobs, "last");

	if (!jobs)
		return;
	show_totals(jobs);
	show_minute(json_object_get(jobs, "minute"));
	for (size_t i = 0; i < json_array_size(last); i++)
		show_job(json_array_get(last, i));
}
