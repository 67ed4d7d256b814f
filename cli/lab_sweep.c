/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lab_sweep.c - hylics lab sweep
 *
 * Runs in: hylics
 * Reads from: no untrusted input
 */
#include "cli/verbs.h"
#include "cli/wall.h"
#include "cli/wall_cgroup.h"

int lab_sweep_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	unsigned int removed = 0;
	int rc;

	(void)values;
	(void)argc;
	(void)argv;
	if (wall_inside()) {
		puts("inside a wall: other labs cannot be seen, nothing was removed");
		return HY_EXIT_OK;
	}
	rc = wall_cgroup_sweep(&removed, e);
	printf("cgroups of dead labs removed: %u\n", removed);
	return rc < 0 ? hy_err_exit(e) : HY_EXIT_OK;
}
