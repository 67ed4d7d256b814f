/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * completion_bash.c - hylics completion bash
 *
 * Runs in: hylics
 * Reads from: no untrusted input
 */
#include "cli/verbs.h"

int completion_bash_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	(void)values;
	(void)argc;
	(void)argv;
	(void)e;
	hy_opt_print_bash(&hylics_command, stdout);
	return HY_EXIT_OK;
}
