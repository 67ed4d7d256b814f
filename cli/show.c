/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * show.c - what all parts of a VM that `hylics vm show` prints are printed with
 *
 * Runs in: hylics
 * Reads from: hylicsd
 */
#include "cli/show.h"

#include <stdio.h>
#include <time.h>

json_int_t shown_number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

const char *shown_text(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

void show_when(const char *words, json_int_t when_ms)
{
	time_t s = (time_t)(when_ms / SHOW_MS_PER_S);
	struct tm tm = { 0 };
	char when[32] = "";

	localtime_r(&s, &tm);
	if (strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm))
		printf("%s %s", words, when);
}
