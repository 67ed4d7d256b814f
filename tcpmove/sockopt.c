/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sockopt.c - single steps at a TCP socket, for the rest of tcpmove
 *
 * Runs in: hylics-agent, hylics-worker
 * Reads from: the kernel
 */
#include "tcpmove/sockopt.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

int sockopt_set(int sock, int level, int opt, int value)
{
	return setsockopt(sock, level, opt, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* syscalls: getsockopt */
int sockopt_get(int sock, int level, int opt, int *value)
{
	socklen_t len = sizeof(int);
	int got = 0;

	if (getsockopt(sock, level, opt, &got, &len) < 0)
		return -errno;
	*value = got;
	return 0;
}

int sockopt_try(int sock, int level, int opt, int value, const char *what, struct hy_err *e)
{
	int rc = sockopt_set(sock, level, opt, value);

	return rc ? hy_err_set(e, -rc, "set %s", what) : 0;
}

/* syscalls: getsockopt */
int sockopt_info(int sock, struct tcp_info *info, struct hy_err *e)
{
	socklen_t len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	if (getsockopt(sock, IPPROTO_TCP, TCP_INFO, info, &len) < 0)
		return hy_err_set(e, errno, "ask for TCP_INFO");
	return 0;
}

int sockopt_queued(int sock, unsigned long what, uint32_t *len, struct hy_err *e)
{
	int bytes = 0;

	if (ioctl(sock, what, &bytes) < 0)
		return hy_err_set(e, errno, "ask for the length of a queue");
	*len = (uint32_t)bytes;
	return 0;
}
