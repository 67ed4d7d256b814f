/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * discard.c - takes unread bytes out of a TCP socket without looking at them
 *
 * Runs in: hylics-agent, hylics-worker
 * Reads from: the kernel
 */
#include "tcpmove/discard.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

#define PIECE_MAX (1u << 30)		/* a call's count is a positive int */

/* syscalls: recvfrom */
uint64_t tcp_discard(int sock, uint64_t n)
{
	uint64_t done = 0;

	while (done < n) {
		size_t piece = n - done < PIECE_MAX ? (size_t)(n - done) : PIECE_MAX;
		ssize_t got = recv(sock, NULL, piece, MSG_TRUNC | MSG_DONTWAIT);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		done += (uint64_t)got;
	}
	return done;
}
