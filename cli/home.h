/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * home.h - waits until all connections of a VM are home
 *
 * Runs in: hylics
 * Reads from: hylicsd
 */
#ifndef HY_CLI_HOME_H
#define HY_CLI_HOME_H

#include "cli/ask.h"

struct home_values {
	struct ask_values ask;		/* first: see ASK_OPTIONS */
	uint64_t timeout_ms;
};

#define HOME_TIMEOUT_OPTION \
	{ .name = "timeout", .type = HY_OPT_DURATION, \
	  .offset = offsetof(struct home_values, timeout_ms), .arg = "TIME", \
	  .help = "wait no longer until all are home (default 30s); 0s: do not wait" }

extern const struct home_values home_defaults;

/**
 * home_wait() - Ask again and again how many are away; told on a terminal
 * @v:		How long; 0: not at all
 * @name:	Of the VM, whose connections are to go home
 * @vm:		The VM as hylicsd last told it: the caller's reference, replaced as time goes on
 * @e:		Error: ETIMEDOUT, with how many are away
 */
int home_wait(const struct home_values *v, const char *name, json_t **vm, struct hy_err *e);

#endif
