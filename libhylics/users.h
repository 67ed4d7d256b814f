/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * users.h - who else holds or waits for a socket: numbers, epolls, threads, the parent
 *
 * Runs in: programs in a guest
 * Reads from: /proc of the process itself and of its parent
 *
 * Everybody found here would go on looking at what was behind the number before.
 */
#ifndef HY_LIB_USERS_H
#define HY_LIB_USERS_H

#include <stdint.h>
#include <sys/types.h>

#include "common/limits.h"

/* One epoll's interest in a socket. */
struct users_watch {
	int epoll;
	uint32_t events;
	uint64_t data;
};

struct users {
	ino_t ino;		/* the socket's */
	unsigned int n;
	struct users_watch watch[HY_LIB_EPOLLS_MAX];
};

/**
 * users_find() - Look for them
 * @sock:	Socket
 * @stranger:	Another socket, which no epoll watches
 * @u:		Gets the epolls that watch it; they can be told of a change
 *
 * Return: 0, -EBUSY if there is somebody who cannot be told: another number for the socket, an
 * epoll that watches it by another number or has delivered its one event (EPOLLONESHOT), more
 * epolls than HY_LIB_EPOLLS_MAX, a thread inside a system call with it, the parent with the same
 * number, an io_uring of this process; -EACCES if there are threads of which this process may not
 * be told what they are at; -errno if it cannot be found out
 */
int users_find(int sock, int stranger, struct users *u);

#endif
