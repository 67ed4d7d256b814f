/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netlink.c - a netlink request and its answers
 *
 * Runs in: the keeper (host, root)
 * Reads from: the kernel's answers
 */
#include "twin/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/own.h"

int netlink_open(struct hy_err *e)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? hy_err_set(e, errno, "netlink") : fd;
}

int netlink_ask(int fd, const struct nlmsghdr *nlh, mnl_cb_t cb, void *object)
{
	hy_autofree char *buf = malloc(NETLINK_ANSWER_MAX);
	int more = MNL_CB_OK;
	ssize_t n;

	if (!buf || send(fd, nlh, nlh->nlmsg_len, 0) < 0)
		return -errno;
	while (more > MNL_CB_STOP) {
		n = recv(fd, buf, NETLINK_ANSWER_MAX, 0);
		if (n < 0 && errno == EINTR)
			continue;
		more = n < 0 ? MNL_CB_ERROR :
			       mnl_cb_run(buf, (size_t)n, nlh->nlmsg_seq, 0, cb, object);
	}
	return more == MNL_CB_ERROR ? -errno : 0;
}
