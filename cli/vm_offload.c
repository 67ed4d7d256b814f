/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm_offload.c - hylics vm offload
 *
 * Runs in: hylics
 * Reads from: the operator's command line; hylicsd
 */
#include <string.h>

#include "cli/verbs.h"

const struct hy_opt vm_offload_options[] = { ASK_OPTIONS };

int vm_offload_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct ask_values *v = values;
	bool on = strcmp(argv[1], "on") == 0;
	json_t *answer = NULL;

	(void)argc;
	if (!on && strcmp(argv[1], "off") != 0) {
		hy_err_usage(e, NULL, "'%.64s': on or off", argv[1]);
		return HY_EXIT_USAGE;
	}
	if (ask_vm(v, "POST", argv[0], "/offload", json_pack("{s:b}", "on", on), &answer, e) < 0)
		return hy_err_exit(e);
	return ask_show(v, answer, ask_show_vm);
}
