/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lab_exec.c - hylics lab exec
 *
 * Runs in: hylics
 * Reads from: the operator's command line
 */
#include "cli/verbs.h"
#include "cli/wall.h"

int lab_exec_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	(void)values;
	(void)argc;
	return wall_run(argv, e);
}
