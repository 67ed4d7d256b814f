/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * show_control.c - how a VM's memory is kept, as `hylics vm show` prints it
 *
 * Runs in: hylics
 * Reads from: hylicsd
 */
#include "cli/show_control.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/show.h"

static void show_size(const char *words, const json_t *o, const char *key)
{
	char text[32];

	ask_size_text((uint64_t)shown_number(o, key), text, sizeof(text));
	printf("%s%s", words, text);
}

static double seconds(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static void show_settings(const json_t *o)
{
	printf(SHOW_COLUMN "dynamic, by %s, for responses of %.3f s", "control",
	       shown_text(o, "scheme"), (double)shown_number(o, "slo_ms") / SHOW_MS_PER_S);
	show_size("; at least ", o, "memory_min");
	printf(", weight %" JSON_INTEGER_FORMAT "\n", shown_number(o, "weight"));
}

static void show_seen(const json_t *seen)
{
	printf(SHOW_COLUMN "%" JSON_INTEGER_FORMAT " jobs ended, %.3f arrived a second", "seen",
	       shown_number(seen, "jobs"), seconds(seen, "per_s"));
	if (shown_number(seen, "jobs"))
		printf("; mean response %.3f s, service %.3f s", seconds(seen, "response_s"),
		       seconds(seen, "service_s"));
	putchar('\n');
}

static void show_counts(const json_t *o)
{
	json_t *counts = json_object_get(o, "counts"), *n;
	const char *code;

	printf(SHOW_COLUMN "%" JSON_INTEGER_FORMAT, "decisions", shown_number(o, "decisions"));
	json_object_foreach(counts, code, n) {
		printf(", %s %" JSON_INTEGER_FORMAT, code, json_integer_value(n));
	}
	if (shown_number(o, "stuck"))
		printf("; stuck %" JSON_INTEGER_FORMAT, shown_number(o, "stuck"));
	printf("; next in %.0f s\n", seconds(o, "next_s"));
}

static void show_model(const json_t *o)
{
	if (json_object_get(o, "model_why"))
		printf(SHOW_COLUMN "not used: %s\n", "model", shown_text(o, "model_why"));
	else if (json_object_get(o, "other_job"))
		printf(SHOW_COLUMN "of '%s', but '%s' runs: measured service times are not the "
		       "model's\n", "model", shown_text(o, "model_job"),
		       shown_text(o, "other_job"));
	else if (json_object_get(o, "model_job"))
		printf(SHOW_COLUMN "of '%s'\n", "model", shown_text(o, "model_job"));
	if (json_is_true(json_object_get(o, "is_hopeless")))
		printf(SHOW_COLUMN "by it no memory is enough for the objective: it gets all\n",
		       "");
}

void show_control(const json_t *control)
{
	const char *rail = shown_text(control, "rail");

	if (strcmp(shown_text(control, "control"), "dynamic") != 0)
		return;
	show_settings(control);
	if (!json_object_get(control, "memory_bytes"))
		return;				/* not begun */
	printf(SHOW_COLUMN, "");
	show_size("in force ", control, "memory_bytes");
	show_size(", wanted ", control, "wanted_bytes");
	show_size(", given ", control, "given_bytes");
	printf("%s%s\n", strcmp(rail, "inside") == 0 ? "" : ", at the ",
	       strcmp(rail, "inside") == 0 ? "" : rail);
	printf(SHOW_COLUMN "%s\n", "reason", shown_text(control, "reason"));
	show_seen(json_object_get(control, "seen"));
	show_counts(control);
	show_model(control);
}
