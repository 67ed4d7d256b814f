/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lab_list.c - hylics lab list
 *
 * Runs in: hylics
 * Reads from: no untrusted input
 */
#include "cli/lab_python.h"
#include "cli/verbs.h"

int lab_list_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct lab_verb verb = { .name = "list", .argc = argc, .argv = argv };

	(void)values;
	return lab_python_run(&verb, e);
}
