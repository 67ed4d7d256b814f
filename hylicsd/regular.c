/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * regular.c - opening a file in a place where a guest makes the names
 *
 * Runs in: hylicsd and its jobs
 * Reads from: directories of a share (hostile)
 */
#include "hylicsd/regular.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

int regular_open(int path, int flags, struct stat *st)
{
	char self[32];
	int fd;

	if (fstat(path, st) < 0)
		return -errno;
	if (S_ISLNK(st->st_mode))
		return -ELOOP;
	if (!S_ISREG(st->st_mode))
		return -EINVAL;
	/* by the descriptor, so it is the file that was looked at */
	snprintf(self, sizeof(self), "/proc/self/fd/%d", path);
	fd = open(self, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}
