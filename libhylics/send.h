/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * send.h - memory that is a mapping of a file of the share, sent as a slice of that
 *
 * Runs in: programs in a guest
 * Reads from: no untrusted input
 */
#ifndef HY_LIB_SEND_H
#define HY_LIB_SEND_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "libhylics/lib.h"

#define SEND_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE)	/* with any other a call is plain */

/**
 * send_memory() - Send memory as a slice, moving the connection if that is due
 * @c:		The socket's entry, entered
 * @sock:	Number
 * @buf:	From the program: anything
 * @len:	Bytes
 * @flags:	From the program
 * @fixed:	Only of a mapping that this process cannot write: who did not ask for it may change
 *		the memory as soon as the call has returned
 *
 * Return: bytes accepted; -EAGAIN, -EINTR; any other -errno: nothing was, the plain call shall see
 * to it
 */
ssize_t send_memory(struct lib_conn *c, int sock, const void *buf, size_t len, int flags,
		    bool fixed);

#endif
