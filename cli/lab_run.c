/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lab_run.c - hylics lab run
 *
 * Runs in: hylics
 * Reads from: the operator's command line
 */
#include "cli/lab_python.h"
#include "cli/verbs.h"

#define AT(member) .offset = offsetof(struct lab_run_values, member)

const struct hy_opt lab_run_options[] = {
	{ .name = "quick", .type = HY_OPT_FLAG, AT(quick),
	  .help = "fewer repeats: ends within three minutes" },
	{ .name = "out", .type = HY_OPT_STRING, AT(out), .arg = "DIR",
	  .help = "where the report goes; by default a new folder in lab/out of the build folder" },
	{ .name = "arms", .type = HY_OPT_STRING, AT(arms), .arg = "A,B",
	  .help = "run only these arms" },
	{ .name = "repeats", .type = HY_OPT_INT, AT(repeats), .arg = "N",
	  .help = "how often each arm is measured; by default the experiment's own number",
	  .min = 1, .max = 1000 },
	{ .name = "seed", .type = HY_OPT_INT, AT(seed), .arg = "N",
	  .help = "decides the order of the arms and whatever is left to chance",
	  .max = UINT32_MAX },
	{ .name = NULL },
};

const struct lab_run_values lab_run_defaults = { .seed = 1 };

int lab_run_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct lab_verb verb = {
		.name = "run", .options = lab_run_options, .values = values,
		.defaults = &lab_run_defaults, .argc = argc, .argv = argv, .wall = true,
	};

	return lab_python_run(&verb, e);
}
