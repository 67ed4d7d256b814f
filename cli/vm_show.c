/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm_show.c - hylics vm show
 *
 * Runs in: hylics
 * Reads from: the operator's command line; hylicsd
 */
#include "cli/verbs.h"

const struct hy_opt vm_show_options[] = { ASK_OPTIONS };

int vm_show_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct ask_values *v = values;
	json_t *answer = NULL;

	(void)argc;
	if (ask_vm(v, "GET", argv[0], "", NULL, &answer, e) < 0)
		return hy_err_exit(e);
	return ask_show(v, answer, ask_show_vm);
}
