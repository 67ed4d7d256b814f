/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * show_modules.h - a VM's modules as `hylics vm show` prints them
 *
 * Runs in: hylics
 * Reads from: hylicsd
 */
#ifndef HY_SHOW_MODULES_H
#define HY_SHOW_MODULES_H

#include <jansson.h>

/**
 * show_modules() - Print them
 * @names:	Of those the VM may use
 * @states:	Of those its guest wants, or that still end; NULL or null: nobody knows
 */
void show_modules(const json_t *names, const json_t *states);

#endif
