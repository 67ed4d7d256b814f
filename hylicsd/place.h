/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * place.h - a path of the configuration, as a directory and a name in it
 *
 * Runs in: hylicsd and its jobs
 * Reads from: configuration and records (believed)
 */
#ifndef HY_PLACE_H
#define HY_PLACE_H

#include "common/err.h"

/**
 * place_open() - Open the directory that an absolute path's last part is in
 * @path:	From the configuration; symlinks on the way to that directory are the operator's
 * @what:	For the error: "swap file"
 * @name:	Set to the last part, which lies in @path; it is never "", "." or ".."
 * @e:		Error
 *
 * Return: the descriptor, the caller's to close; -errno
 */
int place_open(const char *path, const char *what, const char **name, struct hy_err *e);

#endif
