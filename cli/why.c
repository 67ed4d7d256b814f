/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * why.c - hylics why
 *
 * Runs in: hylics
 * Reads from: the operator's command line; hylicsd
 */
#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"

const struct hy_opt why_options[] = { ASK_OPTIONS };

static void show(const json_t *answer)
{
	json_t *o = (json_t *)answer;		/* the iterator wants it so */

	if (json_object_size(answer) == 0)
		puts("no connection was refused");
	for (void *at = json_object_iter(o); at; at = json_object_iter_next(o, at))
		printf("%10lld  %s\n", (long long)json_integer_value(json_object_iter_value(at)),
		       json_object_iter_key(at));
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
