/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm_drain.c - hylics vm drain
 *
 * Runs in: hylics
 * Reads from: the operator's command line; hylicsd
 */
#include "cli/home.h"
#include "cli/verbs.h"

const struct hy_opt vm_drain_options[] = { HOME_TIMEOUT_OPTION, ASK_OPTIONS };

int vm_drain_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct home_values *v = values;
	json_t *vm = NULL;
	int rc = ask_vm(&v->ask, "POST", argv[0], "/drain", NULL, &vm, e);

	(void)argc;
	if (rc == 0)
		rc = home_wait(v, argv[0], &vm, e);
	if (rc == 0)
		return ask_show(&v->ask, vm, ask_show_vm);
	json_decref(vm);
	return hy_err_exit(e);
}
