/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * module.h - `hylics-guest module start|stop|list|status`
 *
 * Runs in: hylics-guest
 * Reads from: the agent (checked)
 */
#ifndef GUEST_MODULE_H
#define GUEST_MODULE_H

#include <stdbool.h>

#include "common/err.h"
#include "common/opt.h"

struct module_values {
	const char *run_dir;
	int64_t port;			/* 0: the module's default */
	bool no_wait;
	bool json;
};

extern const struct hy_cmd module_commands[];

#endif
