/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fdpass.c - messages that carry descriptors over a unix socket, done right once
 *
 * Runs in: every program that hands descriptors over
 * Reads from: the peer on the socket (hostile)
 */
#include "common/fdpass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/own.h"

/*
 * Room for what the kernel may ever bring, SCM_MAX_FD, not only for what we allow: with less, the
 * kernel cuts the list, and which descriptors it has already installed is not told everywhere.
 */
#define KERNEL_FDS_MAX 253

union control {
	char bytes[CMSG_SPACE(KERNEL_FDS_MAX * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
	struct cmsghdr align;
};

/* syscalls: getsockopt, setsockopt(_, SOL_SOCKET, SO_LINGER) */
void hy_fd_drop(int *fd)
{
	const struct linger off = { 0 };
	struct linger l = { 0 };
	socklen_t len = sizeof(l);
	int saved = errno;

	if (*fd >= 0 && getsockopt(*fd, SOL_SOCKET, SO_LINGER, &l, &len) == 0 && l.l_onoff &&
	    l.l_linger)
		setsockopt(*fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
	errno = saved;
	hy_fd_close(fd);
}

void hy_fds_close(struct hy_fds *fds)
{
	while (fds->n > 0)
		hy_fd_drop(&fds->fd[--fds->n]);
}

/* Behind what is there already, if anything. */
static void add_control(struct msghdr *msg, union control *ctl, int type, const void *data,
			size_t bytes)
{
	struct cmsghdr *c = (void *)(ctl->bytes + msg->msg_controllen);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(bytes);
	memcpy(CMSG_DATA(c), data, bytes);
	msg->msg_control = ctl->bytes;
	msg->msg_controllen += CMSG_SPACE(bytes);
}

/* syscalls: sendmsg */
static ssize_t send_with(int sock, const void *buf, size_t len, const struct hy_fds *fds,
			 const struct ucred *from, int flags)
{
	union control ctl = { 0 };
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (fds && fds->n)
		add_control(&msg, &ctl, SCM_RIGHTS, fds->fd, fds->n * sizeof(int));
	if (from)
		add_control(&msg, &ctl, SCM_CREDENTIALS, from, sizeof(*from));
	n = sendmsg(sock, &msg, flags | MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

ssize_t hy_fds_send_once(int sock, const void *buf, size_t len, const struct hy_fds *fds,
			 const struct ucred *from, int flags)
{
	return send_with(sock, buf, len, fds, from, flags);
}

ssize_t hy_fds_send(int sock, const void *buf, size_t len, const struct hy_fds *fds, int flags)
{
	ssize_t n;

	do {
		n = send_with(sock, buf, len, fds, NULL, flags);
	} while (n == -EINTR);
	return n;
}

/* Keeps up to max descriptors of one control message, closes the rest; returns how many came. */
static unsigned int take_rights(const struct cmsghdr *c, struct hy_fds *fds, unsigned int max)
{
	unsigned int n = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));

	for (unsigned int i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
		if (fds->n < max)
			fds->fd[fds->n++] = fd;
		else
			hy_fd_drop(&fd);
	}
	return n;
}

/* syscalls: recvmsg */
ssize_t hy_fds_recv(int sock, void *buf, size_t len, struct hy_fds *fds, unsigned int max_fds,
		    int flags)
{
	union control ctl;
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.bytes,
			      .msg_controllen = sizeof(ctl.bytes) };
	unsigned int came = 0;
	ssize_t n;

	fds->n = 0;
	if (max_fds > HY_FDS_PER_MESSAGE_MAX)
		max_fds = HY_FDS_PER_MESSAGE_MAX;
	do {
		n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			came += take_rights(c, fds, max_fds);
	}
	/* an empty packet reads like the end, where nobody looks for descriptors */
	if (came > max_fds || (n == 0 && came) || (msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC))) {
		hy_fds_close(fds);
		return -EPROTO;
	}
	return n;
}
