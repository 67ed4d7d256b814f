/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * whole.c - a small file that is whole at any moment, for whoever reads it when he likes
 *
 * Runs in: hylicsd
 * Reads from: no untrusted input
 */
#include "common/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/own.h"

#define NAME_ROOM 64

int hy_whole_write(int dir, const char *name, const char *text, struct hy_err *e)
{
	size_t len = strlen(text);
	char fresh[NAME_ROOM];
	hy_autofd fd = -1;

	snprintf(fresh, sizeof(fresh), "%s.new", name);
	fd = openat(dir, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len || renameat(dir, fresh, dir, name) < 0)
		return hy_err_set(e, errno, "'%s'", name);
	return 0;
}
