/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * regular.h - opening a file in a place where a guest makes the names
 *
 * Runs in: hylicsd and its jobs
 * Reads from: directories of a share (hostile)
 *
 * The mere open() of a device or a FIFO does something, or waits. So a name is first opened as a
 * path only, which touches nothing, is looked at, and only what is a regular file is opened.
 */
#ifndef HY_REGULAR_H
#define HY_REGULAR_H

#include <sys/stat.h>

/**
 * regular_open() - Open what a path descriptor stands for, if it is a regular file
 * @path:	From open(O_PATH | O_NOFOLLOW); stays open
 * @flags:	O_RDONLY, O_NOATIME ...; O_CLOEXEC is added
 * @st:		Filled if it could be looked at
 *
 * Return: the descriptor, -ELOOP for a symlink, -EINVAL for another kind, -errno
 */
int regular_open(int path, int flags, struct stat *st);

#endif
