/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drain.h - waits until little enough is in flight for a connection to move
 *
 * Runs in: hylics-agent (before it goes to the host), hylics-worker (before it goes home)
 * Reads from: the kernel
 *
 * A restored connection begins with the congestion window of a new one. If more segments than that
 * are in flight, and their acknowledgements came while it was frozen, nothing goes before a
 * time-out of a second or more (docs/kernel.md). So nothing new is given to a socket that is to
 * move until HY_AGAIN_SEGMENTS are left. A delayed acknowledgement, of one segment or two, is
 * never waited for.
 */
#ifndef HY_TCPMOVE_DRAIN_H
#define HY_TCPMOVE_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

struct tcp_drain {
	uint64_t since_ms;		/* when it began; 0: it has not */
	uint64_t quiet_ms;		/* when something was acknowledged last */
	int left;			/* bytes in the send queue then */
};

/**
 * tcp_drained() - Look whether a connection may be frozen now
 * @d:		Zeroed before the first look
 * @sock:	Living; the caller gives it nothing new meanwhile
 * @now_ms:	hy_clock_ms()
 *
 * Return: true: little is in flight, or nothing was acknowledged for two round trips, or
 * HY_DRAIN_WAIT_MS are over. Else look again after HY_DRAIN_LOOK_MS
 */
bool tcp_drained(struct tcp_drain *d, int sock, uint64_t now_ms);

#endif
