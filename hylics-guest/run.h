/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.h - `hylics-guest run`
 *
 * Runs in: hylics-guest
 * Reads from: the program's file: whatever it holds
 */
#ifndef HY_GUEST_RUN_H
#define HY_GUEST_RUN_H

#include "common/err.h"

/* Becomes the program; returns only if that cannot be: 126 or 127, as env(1). */
int run_run(const void *values, int argc, char **argv, struct hy_err *e);

#endif
