/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lab_prepare.c - hylics lab prepare
 *
 * Runs in: hylics
 * Reads from: no untrusted input
 */
#include "cli/lab_python.h"
#include "cli/verbs.h"

int lab_prepare_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct lab_verb verb = { .name = "prepare", .argc = argc, .argv = argv };

	(void)values;
	return lab_python_run(&verb, e);
}
