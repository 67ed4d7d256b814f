/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * unixsock.c - unix sockets with a path: listen without disturbing who listens, connect
 *
 * Runs in: every program
 * Reads from: no untrusted input; what others put at the path is looked at, not followed
 */
#include "common/unixsock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/own.h"

static int make_addr(const char *path, struct sockaddr_un *sun, struct hy_err *e)
{
	if (strlen(path) > HY_UNIX_PATH_MAX)
		return hy_err_set(e, ENAMETOOLONG, "socket '%s': a socket path has at most %zu "
				  "bytes", path, HY_UNIX_PATH_MAX);
	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(sun->sun_path, sizeof(sun->sun_path), "%s", path);
	return 0;
}

/*
 * Asked with a datagram socket, which neither kind of listener can take: the kernel says
 * EPROTOTYPE where one listens, ECONNREFUSED where none does, and the listener sees nothing.
 */
static bool somebody_listens(const struct sockaddr_un *sun)
{
	hy_autofd fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 || connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0 ||
	       errno != ECONNREFUSED;
}

/* Makes room for a socket of ours: what a dead process left goes, nothing else does. */
static int clear_path(const struct sockaddr_un *sun, struct hy_err *e)
{
	const char *path = sun->sun_path;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : hy_err_set(e, errno, "socket '%s'", path);
	if (!S_ISSOCK(st.st_mode))
		return hy_err_set(e, EEXIST, "socket '%s': there is something that is no socket; "
				  "move it away", path);
	if (somebody_listens(sun))
		return hy_err_set(e, EADDRINUSE, "socket '%s': another process listens there",
				  path);
	if (unlink(path) < 0)
		return hy_err_set(e, errno, "socket '%s': remove a dead process's", path);
	return 0;
}

int hy_unix_listen(const char *path, int type, mode_t mode, int backlog, struct hy_err *e)
{
	struct sockaddr_un sun;
	int rc = make_addr(path, &sun, e);
	mode_t old;

	if (rc == 0)
		rc = clear_path(&sun, e);
	if (rc < 0)
		return rc;
	hy_autofd fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return hy_err_set(e, errno, "socket '%s': make it", path);
	old = umask(0777 & ~mode);
	rc = bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ? -errno : 0;
	umask(old);
	if (rc < 0)
		return hy_err_set(e, -rc, "socket '%s': bind", path);
	if (listen(fd, backlog) < 0)
		return hy_err_set(e, errno, "socket '%s': listen", path);
	return hy_fd_steal(&fd);
}

/* syscalls: connect, socket(AF_UNIX, SOCK_STREAM/0xf, 0) */
int hy_unix_connect(const char *path, int type, struct hy_err *e)
{
	struct sockaddr_un sun;
	int rc = make_addr(path, &sun, e);

	if (rc < 0)
		return rc;
	hy_autofd fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return hy_err_set(e, errno, "socket '%s': make one", path);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		return hy_err_set(e, errno, "socket '%s': connect", path);
	return hy_fd_steal(&fd);
}
