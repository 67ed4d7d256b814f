/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * show_files.h - files of a share as `hylics vm show` prints them
 *
 * Runs in: hylics
 * Reads from: hylicsd
 */
#ifndef HY_SHOW_FILES_H
#define HY_SHOW_FILES_H

#include <jansson.h>

/* @files: of a VM; NULL: it has no tender, and nothing is printed. */
void show_files(const json_t *files);

#endif
