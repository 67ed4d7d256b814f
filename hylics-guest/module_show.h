/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * module_show.h - how a module is printed
 *
 * Runs in: hylics-guest
 * Reads from: the agent (checked); the host's words, which its decoder knows to be printable
 */
#ifndef GUEST_MODULE_SHOW_H
#define GUEST_MODULE_SHOW_H

#include <stdbool.h>

#include "proto/module_ask.h"

/* All that one VM may use, in the host's order. */
struct module_list {
	unsigned int n;
	struct local_module at[HY_MODULES_MAX];
};

/**
 * module_show() - Print modules
 * @l:		Those that are to be shown
 * @all:	With what they cost; else only how they are
 */
void module_show(const struct module_list *l, bool all);
void module_show_json(const struct module_list *l);

#endif
