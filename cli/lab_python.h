/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lab_python.h - hand a verb over to the lab's Python package
 *
 * Runs in: hylics
 * Reads from: the operator's command line
 */
#ifndef HY_LAB_PYTHON_H
#define HY_LAB_PYTHON_H

#include <stdbool.h>

#include "common/err.h"
#include "common/opt.h"

/* What a verb hands over. */
struct lab_verb {
	const char *name;
	const struct hy_opt *options;	/* NULL if it has none */
	const void *values, *defaults;	/* structs as the options' table describes them */
	int argc;
	char **argv;			/* arguments behind the options */
	bool wall;			/* run it inside the wall */
};

/**
 * lab_python_run() - Run "python3 -m hylab VERB OPTIONS ARGUMENTS"
 * @v:	The verb
 * @e:	Set if it has not run
 *
 * Options that were not given are left out; sizes are handed over in bytes, durations in seconds.
 * Without the wall this process becomes Python, and the function returns on failure only.
 *
 * Return: exit code as wall_run() does
 */
int lab_python_run(const struct lab_verb *v, struct hy_err *e);

#endif
