/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * show_jobs.c - a guest's jobs as `hylics vm show` prints them
 *
 * Runs in: hylics
 * Reads from: hylicsd
 */
#include "cli/show_jobs.h"

#include <stdio.h>
#include <time.h>

#define MS_PER_S 1000
#define US_PER_S 1e6
#define COLUMN "%-10s "

static json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static const char *text(const json_t *o, const char *key)
{
	const char *t = json_string_value(json_object_get(o, key));

	return t ? t : "";
}

static void show_totals(const json_t *jobs)
{
	static const char *const words[] = { "running", "arrived", "finished", "failed", "lost",
					     "dropped", NULL };

	printf(COLUMN, "jobs");
	for (const char *const *word = words; *word; word++)
		printf("%s%" JSON_INTEGER_FORMAT " %s", word == words ? "" : ", ",
		       number(jobs, *word), *word);
	if (number(jobs, "untold"))
		printf(", the times of %" JSON_INTEGER_FORMAT " untold", number(jobs, "untold"));
	putchar('\n');
}

static void show_minute(const json_t *minute)
{
	if (!number(minute, "finished"))
		return;
	printf(COLUMN "last minute: %" JSON_INTEGER_FORMAT " finished, mean service %.3f s, "
	       "response %.3f s\n", "", number(minute, "finished"),
	       (double)number(minute, "service_us") / US_PER_S,
	       (double)number(minute, "response_us") / US_PER_S);
}

static void show_when(const char *word, json_int_t when_ms)
{
	time_t s = (time_t)(when_ms / MS_PER_S);
	struct tm tm = { 0 };
	char when[32] = "";

	localtime_r(&s, &tm);
	if (strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm))
		printf(", %s %s", word, when);
}

static void show_how(const json_t *job)
{
	const json_t *code = json_object_get(job, "code");

	printf("%s", text(job, "state"));
	if (code)
		printf(" %" JSON_INTEGER_FORMAT, json_integer_value(code));
}

static double seconds_between(const json_t *job, const char *from, const char *to)
{
	return (double)(number(job, to) - number(job, from)) / MS_PER_S;
}

static void show_job(const json_t *job)
{
	printf(COLUMN "%s: ", "job", text(job, "name"));
	show_how(job);
	show_when("arrived", number(job, "arrived_ms"));
	printf(", waited %.3f s", seconds_between(job, "arrived_ms", "begun_ms"));
	show_when("began", number(job, "begun_ms"));
	if (json_object_get(job, "ended_ms")) {
		printf(", ran %.3f s", seconds_between(job, "begun_ms", "ended_ms"));
		show_when("ended", number(job, "ended_ms"));
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
