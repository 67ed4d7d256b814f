/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * datagrams.h - files as datagrams: which sockets want it, the plain way, the way to the agent
 *
 * Runs in: programs in a guest
 * Reads from: the agent (checked)
 *
 * docs/udp.md has the whole. What a program has said of a socket is kept by its number and believed
 * while the number is the same socket; a forked child has it, too.
 */
#ifndef HY_LIB_DATAGRAMS_H
#define HY_LIB_DATAGRAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Whether hylics_datagrams() was called for the socket that has this number now. */
bool datagrams_wanted(int sock);

/**
 * datagrams_send() - hylics_sendfile() of such a socket
 * @sock:	datagrams_wanted()
 * @fd:		File, as the next two from the program
 * @offset:	In it, or NULL
 * @count:	Bytes
 *
 * Return: as sendfile(2)
 */
ssize_t datagrams_send(int sock, int fd, off_t *offset, size_t count);

#endif
