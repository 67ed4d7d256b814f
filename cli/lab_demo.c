/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lab_demo.c - hylics lab demo
 *
 * Runs in: hylics
 * Reads from: no untrusted input
 */
#include "cli/lab_python.h"
#include "cli/verbs.h"

int lab_demo_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct lab_verb verb = { .name = "demo", .argc = argc, .argv = argv, .wall = true };

	(void)values;
	return lab_python_run(&verb, e);
}
