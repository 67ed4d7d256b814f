/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * unixsock.h - unix sockets with a path: listen without disturbing who listens, connect
 *
 * Runs in: every program
 * Reads from: no untrusted input; what others put at the path is looked at, not followed
 */
#ifndef HY_UNIXSOCK_H
#define HY_UNIXSOCK_H

#include <sys/types.h>
#include <sys/un.h>

#include "common/err.h"

#define HY_UNIX_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

/**
 * hy_unix_listen() - Listen at a path
 * @path:	What a dead process left there is replaced; anything else there is refused
 * @type:	SOCK_STREAM or SOCK_SEQPACKET
 * @mode:	Of the socket file, whatever the umask
 * @backlog:	As of listen(2)
 * @e:		Error; EADDRINUSE if somebody listens there, who does not notice
 *
 * Return: a non-blocking descriptor, the caller's, or -errno
 */
int hy_unix_listen(const char *path, int type, mode_t mode, int backlog, struct hy_err *e);

/**
 * hy_unix_connect() - Connect to a path
 * @path:	Where somebody listens
 * @type:	SOCK_STREAM or SOCK_SEQPACKET, with SOCK_NONBLOCK if wanted
 * @e:		Error
 *
 * Return: a descriptor, the caller's, or -errno
 */
int hy_unix_connect(const char *path, int type, struct hy_err *e);

#endif
