/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * notify.c - what a daemon and its service manager (systemd) say to each other
 *
 * Runs in: hylicsd
 * Reads from: the environment of whoever started the process
 */
#include "common/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/own.h"

#define FIRST_FD 3	/* where descriptors that are handed over begin */

/* Returns the length of the address, 0 if the text names no unix socket. */
static socklen_t make_addr(const char *name, struct sockaddr_un *sun)
{
	size_t len = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof(sun->sun_path))
		return 0;
	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(sun->sun_path, name, len);
	if (name[0] == '@')
		sun->sun_path[0] = '\0';	/* such a name ends with its length, not a NUL */
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '/'));
}

int hy_notify(const char *state, struct hy_err *e)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sun;
	socklen_t len;

	if (!name || !*name)
		return 0;
	len = make_addr(name, &sun);
	if (!len)
		return hy_err_set(e, EINVAL, "NOTIFY_SOCKET '%s': neither a path nor an abstract "
				  "name", name);
	hy_autofd fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return hy_err_set(e, errno, "notify: make a socket");
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&sun, len) < 0)
		return hy_err_set(e, errno, "notify '%s'", name);
	return 1;
}

/* A number that is all of the text; -1 if it is none. */
static long number(const char *text)
{
	char *end;
	long n;

	if (!text || *text < '0' || *text > '9')
		return -1;
	errno = 0;
	n = strtol(text, &end, 10);
	return errno || *end ? -1 : n;
}

static int option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -1 : value;
}

int hy_notify_listener(struct hy_err *e)
{
	long pid = number(getenv("LISTEN_PID"));
	long n = number(getenv("LISTEN_FDS"));
	int flags;

	/* for a child of ours, or a grandchild, they would be meant for somebody else */
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (pid != getpid() || n == 0)
		return -ENOENT;
	if (n != 1)
		return hy_err_set(e, EINVAL, "LISTEN_FDS: want one listening socket");
	if (option(FIRST_FD, SO_DOMAIN) != AF_UNIX || option(FIRST_FD, SO_TYPE) != SOCK_STREAM ||
	    option(FIRST_FD, SO_ACCEPTCONN) != 1)
		return hy_err_set(e, EINVAL, "LISTEN_FDS: descriptor %d is no unix stream socket "
				  "that listens", FIRST_FD);
	flags = fcntl(FIRST_FD, F_GETFL);
	if (flags < 0 || fcntl(FIRST_FD, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC) < 0)
		return hy_err_set(e, errno, "LISTEN_FDS: descriptor %d", FIRST_FD);
	return FIRST_FD;
}
