/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path.h - which texts hylicsd takes for paths of directories and files
 *
 * Runs in: hylicsd, hylics-keeper
 * Reads from: configuration, records, API clients
 */
#ifndef HY_HYLICSD_PATH_H
#define HY_HYLICSD_PATH_H

#include <stdbool.h>
#include <stddef.h>

/**
 * path_check() - Whether a path is absolute and plain, as a table of keys asks
 * @text:	As typed; touches no file
 * @why:	Filled on failure
 * @size:	Room in @why
 *
 * Plain: no empty part, no "." and "..", no slash at its end, so not "/" itself. Two plain paths
 * name the same place only if they are the same, but for links.
 *
 * Return: 0, -EINVAL
 */
int path_check(const char *text, char *why, size_t size);

/**
 * path_parts_plain() - Whether no part of a path is empty, "." or ".."
 * @text:	Relative path
 *
 * Return: true if so
 */
bool path_parts_plain(const char *text);

/**
 * path_inside() - Whether a place is another one, or below it
 * @inner:	Plain path, or ""
 * @outer:	Plain path, or ""
 *
 * Return: true if so; false if one is ""
 */
bool path_inside(const char *inner, const char *outer);

#endif
