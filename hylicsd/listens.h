/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listens.h - whether anybody listens at a unix socket, without disturbing him
 *
 * Runs in: hylicsd
 * Reads from: /proc/net/unix, which has paths that anybody chose
 */
#ifndef HYLICSD_LISTENS_H
#define HYLICSD_LISTENS_H

#include <stdbool.h>

/**
 * listens_at() - Look for a listening socket by the path it was bound to
 * @table:	"/proc/net/unix": those of this network namespace
 * @path:	Absolute, as its owner bound it
 *
 * Return: whether there is one; a table that cannot be read has none
 */
bool listens_at(const char *table, const char *path);

#endif
