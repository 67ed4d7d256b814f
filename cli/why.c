/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * why.c - hylics why
 *
 * Runs in: hylics
 * Reads from: the operator's command line; hylicsd
 */
#include <stdio.h>

#include "cli/verbs.h"

const struct hy_opt why_options[] = { ASK_OPTIONS };

static void show(const json_t *answer)
{
	const json_t *count;
	const char *reason;

	if (json_object_size(answer) == 0)
		puts("no connection was refused");
	json_object_foreach((json_t *)answer, reason, count)
		printf("%10lld  %s\n", (long long)json_integer_value(count), reason);
}

int why_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct ask_values *v = values;
	json_t *answer = NULL;

	(void)argc;
	if (ask_vm(v, "GET", argv[0], "/why", NULL, &answer, e) < 0)
		return hy_err_exit(e);
	return ask_show(v, answer, show);
}
