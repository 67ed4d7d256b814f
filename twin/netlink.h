/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netlink.h - a netlink request and its answers
 *
 * Runs in: the keeper (host, root)
 * Reads from: the kernel's answers
 */
#ifndef HY_NETLINK_H
#define HY_NETLINK_H

#include <libmnl/libmnl.h>

#include "common/err.h"

#define NETLINK_ANSWER_MAX 32768	/* the kernel cuts a dump into pieces of at most this */

/**
 * netlink_open() - A socket for the network namespace of the calling thread
 * @e:	Error
 *
 * Return: a descriptor, the caller's, or -errno
 */
int netlink_open(struct hy_err *e);

/**
 * netlink_ask() - Send a request and hand out its answers, waiting for the last one
 * @fd:		Netlink socket, on which nothing else is under way
 * @nlh:	Request; has NLM_F_ACK if nothing else would be answered
 * @cb:		Called for each message: MNL_CB_OK to go on, MNL_CB_STOP, or MNL_CB_ERROR with
 *		errno; may be NULL
 * @object:	Handed to @cb
 *
 * Return: 0, -errno: the kernel's own if it refused; -EINTR: a dump that is not whole
 */
int netlink_ask(int fd, const struct nlmsghdr *nlh, mnl_cb_t cb, void *object);

#endif
