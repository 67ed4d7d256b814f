/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lines.c - the lines of a file of /proc
 *
 * Runs in: programs in a guest
 * Reads from: the kernel
 */
#include "libhylics/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/own.h"

#define ROOM 8192	/* a path has up to 4096 bytes, escaped more */

/* Hands over the whole lines of @buf; the rest moves to its begin. */
static int take_lines(char *buf, size_t *have, int (*take)(void *object, char *line), void *object)
{
	char *line = buf, *end;

	while ((end = memchr(line, '\n', *have))) {
		int rc;

		*end = '\0';
		rc = take(object, line);
		if (rc)
			return rc;
		*have -= (size_t)(end + 1 - line);
		line = end + 1;
	}
	memmove(buf, line, *have);
	return 0;
}

int lines_each(const char *path, int (*take)(void *object, char *line), void *object)
{
	char buf[ROOM];
	size_t have = 0;
	ssize_t n;
	int rc = 0;
	hy_autofd fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	while (rc == 0) {
		if (have == sizeof(buf))
			return -EPROTO;
		n = read(fd, buf + have, sizeof(buf) - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 || errno == ESRCH ? 0 : -errno;
		have += (size_t)n;
		rc = take_lines(buf, &have, take, object);
	}
	return rc;
}
