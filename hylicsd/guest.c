/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.c - what a guest tells of itself, as a worker wrote it down
 *
 * Runs in: hylicsd
 * Reads from: a worker's counters: the guest's word, or that of a worker that was taken over
 */
#include "hylicsd/guest.h"

#include <stddef.h>

#include "common/limits.h"
#include "common/printable.h"
#include "hylicsd/marks.h"
#include "proto/report.h"

static const char *const texts[] = { "software", "kernel", "share", NULL };
static const char *const numbers[] = { "cpus", "load_100", "memory_total", "memory_available",
				       NULL };

/* It may end on a terminal, or in a page. Return: NULL if it is none */
static json_t *printable(const json_t *text, size_t most)
{
	const char *from = json_string_value(text);
	char to[GUEST_TEXT_MAX + 1];

	if (!from)
		return NULL;
	hy_copy_printable(to, most < sizeof(to) ? most + 1 : sizeof(to), from);
	return json_string(to);
}

void guest_add_number(json_t *o, const char *name, const json_t *from)
{
	json_t *number = json_object_get(from, name);

	if (json_is_integer(number) && json_integer_value(number) >= 0)
		json_object_set(o, name, number);
}

void guest_add_texts(json_t *o, const char *const *names, const json_t *from)
{
	for (; *names; names++)
		guest_add_text(o, *names, HY_NAME_MAX, from);
}

void guest_add_text(json_t *o, const char *name, size_t most, const json_t *from)
{
	json_t *text = printable(json_object_get(from, name), most);

	if (text)
		json_object_set_new(o, name, text);
}

static json_t *cpu_times(const json_t *from)
{
	json_t *o = json_object();

	for (unsigned int i = 0; i < REPORT_CPUS; i++)
		guest_add_number(o, report_cpu_name(i), from);
	return o;
}

static json_t *addresses(const json_t *from)
{
	json_t *list = json_array();

	for (size_t i = 0; i < json_array_size(from) && i < HY_TWIN_ADDRS_MAX; i++) {
		json_t *text = printable(json_array_get(from, i), HY_NAME_MAX);

		if (text)
			json_array_append_new(list, text);
	}
	return list;
}

static void add_jobs(json_t *o, const json_t *from)
{
	json_t *jobs = marks_json(from);

	if (jobs)
		json_object_set_new(o, "jobs", jobs);
}

json_t *guest_json(const json_t *counters)
{
	const json_t *from = json_object_get(counters, "guest");
	json_t *o;

	if (!json_is_object(from))
		return NULL;
	o = json_object();
	guest_add_texts(o, texts, from);
	for (const char *const *name = numbers; *name; name++)
		guest_add_number(o, *name, from);
	json_object_set_new(o, "cpu_ms", cpu_times(json_object_get(from, "cpu_ms")));
	json_object_set_new(o, "addresses", addresses(json_object_get(from, "addresses")));
	add_jobs(o, json_object_get(from, "jobs"));
	return o;
}
