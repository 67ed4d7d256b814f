/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status.h - `hylics-guest status`
 *
 * Runs in: hylics-guest
 * Reads from: the agent (checked)
 */
#ifndef GUEST_STATUS_H
#define GUEST_STATUS_H

#include "common/opt.h"

struct status_values {
	const char *run_dir;
	bool json;
};

extern const struct hy_opt status_options[];

int status_run(const void *values, int argc, char **argv, struct hy_err *e);

#endif
