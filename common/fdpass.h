/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fdpass.h - messages that carry descriptors over a unix socket, done right once
 *
 * Runs in: every program that hands descriptors over
 * Reads from: the peer on the socket (hostile)
 *
 * Received descriptors are close-on-exec. A message that was cut, or that brought more
 * descriptors than its reader allows, is refused and everything it brought is closed.
 */
#ifndef HY_FDPASS_H
#define HY_FDPASS_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "common/limits.h"

struct hy_fds {
	unsigned int n;
	int fd[HY_FDS_PER_MESSAGE_MAX];
};

/**
 * hy_fd_drop() - Close a descriptor that others chose, without waiting for its peers
 * @fd:	As for hy_fd_close()
 *
 * The last close() of a socket with SO_LINGER waits until its peer has everything, or as long as
 * the option says. That was for the one who set it, so a time is taken off; a {1, 0} stays.
 */
void hy_fd_drop(int *fd);

/**
 * hy_fds_close() - Close all as hy_fd_drop() does, and forget them
 * @fds:	May be empty; fits __attribute__((cleanup))
 */
void hy_fds_close(struct hy_fds *fds);

/**
 * hy_fds_send() - Send bytes and descriptors in one message
 * @sock:	Unix socket
 * @buf:	At least one byte: descriptors cannot travel alone on a stream
 * @len:	Length of @buf
 * @fds:	Stay the caller's; may be NULL or empty
 * @flags:	As of send(2); MSG_NOSIGNAL is added
 *
 * Return: bytes sent (on a stream perhaps fewer; the descriptors went with the first), -errno
 */
ssize_t hy_fds_send(int sock, const void *buf, size_t len, const struct hy_fds *fds, int flags);

/*
 * The same, but a signal that comes while it waits ends it: -EINTR. With @from it names its sender,
 * the caller itself. Before Linux 6.5 a later sendfile() adds its bytes to the last buffer in the
 * reader's queue, descriptors or not, unless it differs in its sender, which it does not name.
 */
ssize_t hy_fds_send_once(int sock, const void *buf, size_t len, const struct hy_fds *fds,
			 const struct ucred *from, int flags);

/**
 * hy_fds_recv() - Receive bytes and the descriptors that came with them
 * @sock:	Unix socket; the peer is not trusted
 * @buf:	Gets the bytes
 * @len:	Room in @buf
 * @fds:	Gets the descriptors, the caller's from here on; empty on failure
 * @max_fds:	How many this reader allows
 * @flags:	As of recv(2); MSG_CMSG_CLOEXEC is added
 *
 * Return: bytes received, 0 at the end (or for an empty packet), -errno; -EPROTO if the message
 * brought more than @max_fds descriptors, or descriptors and no byte, or was cut
 */
ssize_t hy_fds_recv(int sock, void *buf, size_t len, struct hy_fds *fds, unsigned int max_fds,
		    int flags);

#endif
