/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm_remove.c - hylics vm remove
 *
 * Runs in: hylics
 * Reads from: the operator's command line; hylicsd
 */
#include "cli/verbs.h"

const struct hy_opt vm_remove_options[] = {
	{ .name = "force", .letter = 'f', .type = HY_OPT_FLAG,
	  .offset = offsetof(struct vm_remove_values, force),
	  .help = "also if the share is in use: its guest's file system dies under it" },
	ASK_OPTIONS
};

int vm_remove_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct vm_remove_values *v = values;
	json_t *answer = NULL;

	(void)argc;
	if (ask_vm(&v->ask, "DELETE", argv[0], v->force ? "?force" : "", NULL, &answer, e) < 0)
		return hy_err_exit(e);
	return ask_show(&v->ask, answer, NULL);
}
