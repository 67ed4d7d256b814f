/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * show_jobs.h - a guest's jobs as `hylics vm show` prints them
 *
 * Runs in: hylics
 * Reads from: hylicsd
 */
#ifndef HY_SHOW_JOBS_H
#define HY_SHOW_JOBS_H

#include <jansson.h>

/* @jobs: of what a guest says of itself; NULL: it has marked none, and nothing is printed. */
void show_jobs(const json_t *jobs);

#endif
