/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * why.h - `hylics-guest why`
 *
 * Runs in: hylics-guest
 * Reads from: the agent (checked)
 */
#ifndef GUEST_WHY_H
#define GUEST_WHY_H

#include <stdbool.h>

#include "common/err.h"
#include "common/opt.h"

struct why_values {
	const char *run_dir;
	const char *reason;
	bool json;
};

extern const struct hy_opt why_options[];

/* The command; see struct hy_cmd. */
int why_run(const void *values, int argc, char **argv, struct hy_err *e);

#endif
