/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * why.c - hylics why
 *
 * Runs in: hylics
 * Reads from: the operator's command line; hylicsd
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/verbs.h"

#define MS_PER_S 1000

const struct hy_opt why_options[] = { ASK_OPTIONS };

static long long number(const json_t *o, const char *name)
{
	return (long long)json_integer_value(json_object_get(o, name));
}

/* "peer 192.0.2.1:4000": hylicsd lets only what can be printed through */
static void show_text(const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	if (text)
		printf(", %s %s", name, text);
}

static void show_last(const json_t *last)
{
	time_t s = (time_t)(number(last, "when_ms") / MS_PER_S);
	char when[32] = "";
	struct tm tm;

	if (localtime_r(&s, &tm))
		(void)!strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	printf("    last refused: %s", when);
	show_text(last, "peer");
	show_text(last, "local");
	printf(", %lld bytes in its queues\n", number(last, "queued"));
}

static void show(const json_t *answer)
{
	json_t *o = (json_t *)answer;		/* the iterator wants it so */

	if (json_object_size(answer) == 0)
		puts("no connection was refused");
	else
		printf("%-20s %12s %12s\n", "reason", "refused", "not offered");
	for (void *at = json_object_iter(o); at; at = json_object_iter_next(o, at)) {
		const json_t *row = json_object_iter_value(at);
		const json_t *last = json_object_get(row, "last");

		printf("%-20s %12lld %12lld\n", json_object_iter_key(at), number(row, "refused"),
		       number(row, "not_offered"));
		if (last)
			show_last(last);
	}
}

/* What holds now comes before what has been. */
static void show_now(const struct ask_values *v, const char *name)
{
	json_t *vm = NULL;

	if (v->json || ask_vm(v, "GET", name, "", NULL, &vm, NULL) < 0)
		return;
	if (strcmp(ask_offload_text(vm), "on") != 0)
		printf("offload is %s\n", ask_offload_text(vm));
	json_decref(vm);
}

int why_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct ask_values *v = values;
	json_t *answer = NULL;

	(void)argc;
	if (ask_vm(v, "GET", argv[0], "/why", NULL, &answer, e) < 0)
		return hy_err_exit(e);
	show_now(v, argv[0]);
	return ask_show(v, answer, show);
}
