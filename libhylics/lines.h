/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lines.h - the lines of a file of /proc
 *
 * Runs in: programs in a guest
 * Reads from: the kernel
 */
#ifndef HY_LIB_LINES_H
#define HY_LIB_LINES_H

/**
 * lines_each() - Read a file line by line
 * @path:	Of the file
 * @take:	Called for each line, which it may change; other than 0 ends the reading
 * @object:	Handed to @take
 *
 * Return: what @take ended with; 0 at the end, or if the file is gone; -errno
 */
int lines_each(const char *path, int (*take)(void *object, char *line), void *object);

#endif
