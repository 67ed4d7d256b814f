/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lab_demo.c - hylics lab demo
 *
 * Runs in: hylics
 * Reads from: the operator's command line
 */
#include "cli/lab_python.h"
#include "cli/verbs.h"

#define AT(member) .offset = offsetof(struct lab_demo_values, member)

const struct hy_opt lab_demo_options[] = {
	{ .name = "rounds", .type = HY_OPT_INT, AT(rounds), .arg = "N",
	  .help = "how often everything is measured", .min = 1, .max = 100 },
	{ .name = "out", .type = HY_OPT_STRING, AT(out), .arg = "DIR",
	  .help = "where the page goes; by default lab/demo of the build folder" },
	{ .name = NULL },
};

const struct lab_demo_values lab_demo_defaults = { .rounds = 2 };

int lab_demo_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct lab_verb verb = {
		.name = "demo", .options = lab_demo_options, .values = values,
		.defaults = &lab_demo_defaults, .argc = argc, .argv = argv, .wall = true,
	};

	return lab_python_run(&verb, e);
}
