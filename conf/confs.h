/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * confs.h - files of keys on the disk: one by its path, all of a folder
 *
 * Runs in: hylicsd, hylics-keeper
 * Reads from: files of the operator (believed, but mistakes are told)
 */
#ifndef HY_CONFS_H
#define HY_CONFS_H

#include "conf/ini.h"

/**
 * confs_read() - Lay a file over what holds
 * @t:		Kind of file
 * @path:	The file; a FIFO in its place stops nobody
 * @values:	Struct of the kind; untouched on failure
 * @e:		Error
 *
 * Return: 0, or -errno
 */
int confs_read(const struct ini_table *t, const char *path, void *values, struct hy_err *e);

/**
 * confs_each() - Go through the files NAME.conf of a folder, in the order of names
 * @folder:	May be missing: it has none
 * @see:	Gets each one's path and its NAME; what it returns, if not 0, is the end
 * @object:	For @see
 * @e:		Error
 *
 * Return: 0, what @see returned, or -errno
 */
int confs_each(const char *folder,
	       int (*see)(void *object, const char *path, const char *name, struct hy_err *e),
	       void *object, struct hy_err *e);

#endif
