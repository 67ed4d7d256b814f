/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * job.h - `hylics-guest job`
 *
 * Runs in: hylics-guest
 * Reads from: the agent (checked)
 */
#ifndef GUEST_JOB_H
#define GUEST_JOB_H

#include <stdint.h>

#include "common/err.h"
#include "common/opt.h"

struct job_values {
	const char *run_dir;
	const char *name;
	uint64_t arrived_ms;		/* ago */
};

extern const struct hy_opt job_options[];

/* The command; see struct hy_cmd. It has the exit code of the program it stands for. */
int job_run(const void *values, int argc, char **argv, struct hy_err *e);

#endif
