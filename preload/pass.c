/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pass.c - sendmsg() of descriptors: a moved connection comes home before it is handed on
 *
 * Runs in: programs in a guest
 * Reads from: no untrusted input
 *
 * Who gets a descriptor may know nothing of us. So a pair is a TCP socket again before it goes, if
 * that can be had soon; else it goes as it is, and the receiver may ask the agent who it is.
 */
#include "preload/next.h"

#include <errno.h>
#include <string.h>

#include "libhylics/move.h"
#include "preload/memory.h"

static void bring_home(int fd)
{
	int cancel, saved = errno;
	struct lib_conn *c = lib_look(fd);

	if (!c || !atomic_load(&c->is_pair))
		return;
	c = lib_enter(fd, &cancel);
	if (c && move_is_pair(c, fd))
		move_bring_home(c, fd);
	lib_leave(c, cancel);
	errno = saved;
}

static void bring_all_home(const struct msghdr *msg)
{
	struct msghdr look = *msg;	/* the macros want one that may be changed */

	for (struct cmsghdr *c = CMSG_FIRSTHDR(&look); c; c = CMSG_NXTHDR(&look, c)) {
		size_t n = c->cmsg_len >= CMSG_LEN(0) ?
			   (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			bring_home(fd);
		}
	}
}

/**
 * sendmsg() - As sendmsg(2)
 * @sock:	From the program, all of them
 * @msg:	Its memory
 * @flags:	MSG_*
 *
 * Return: as sendmsg(2)
 */
PRELOAD_SHOWN ssize_t (sendmsg)(int sock, const struct msghdr *msg, int flags)
{
	if (msg && msg->msg_controllen >= CMSG_LEN(sizeof(int)) && msg->msg_control)
		bring_all_home(msg);
	return memory_sendmsg(sock, msg, flags);
}
