/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm_offload.c - hylics vm offload
 *
 * Runs in: hylics
 * Reads from: the operator's command line; hylicsd
 */
#include <string.h>

#include "cli/home.h"
#include "cli/verbs.h"

const struct hy_opt vm_offload_options[] = { HOME_TIMEOUT_OPTION, ASK_OPTIONS };

int vm_offload_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct home_values *v = values;
	bool on = strcmp(argv[1], "on") == 0;
	json_t *vm = NULL;
	int rc;

	(void)argc;
	if (!on && strcmp(argv[1], "off") != 0) {
		hy_err_usage(e, NULL, "'%.64s': on or off", argv[1]);
		return HY_EXIT_USAGE;
	}
	rc = ask_vm(&v->ask, "POST", argv[0], "/offload", json_pack("{s:b}", "on", on), &vm, e);
	if (rc == 0 && !on)
		rc = home_wait(v, argv[0], &vm, e);
	if (rc == 0)
		return ask_show(&v->ask, vm, ask_show_vm);
	json_decref(vm);
	return hy_err_exit(e);
}
