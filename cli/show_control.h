/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * show_control.h - how a VM's memory is kept, as `hylics vm show` prints it
 *
 * Runs in: hylics
 * Reads from: hylicsd
 */
#ifndef HY_SHOW_CONTROL_H
#define HY_SHOW_CONTROL_H

#include <jansson.h>

/* @control: of a VM; NULL, or one that is static: nothing is printed. */
void show_control(const json_t *control);

#endif
