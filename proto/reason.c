/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * reason.c - why a connection was not moved: one list for counters, logs, messages and `why`
 *
 * Runs in: hylics-agent, hylics-worker, hylics-guest, libhylics
 * Reads from: no untrusted input
 */
#include "proto/reason.h"

static const char *const names[MOVE_REASONS] = {
	[MOVE_DONE] = "moved",
	[MOVE_BELOW_THRESHOLD] = "below-threshold",
	[MOVE_NOT_TCP] = "not-tcp",
	[MOVE_NOT_ESTABLISHED] = "not-established",
	[MOVE_UNREAD_BYTES] = "unread-bytes",
	[MOVE_MPTCP] = "mptcp",
	[MOVE_ULP] = "ulp",
	[MOVE_URGENT_DATA] = "urgent-data",
	[MOVE_OWN_FILTER] = "own-filter",
	[MOVE_SHARED_DESCRIPTOR] = "shared-descriptor",
	[MOVE_NOT_ON_SHARE] = "not-on-share",
	[MOVE_FILE_CHANGED] = "file-changed",
	[MOVE_UNREADABLE] = "unreadable",
	[MOVE_NO_TWIN] = "no-twin",
	[MOVE_GUEST_NAT] = "guest-nat",
	[MOVE_LIMIT_CONNECTIONS] = "limit-connections",
	[MOVE_LIMIT_MOVES] = "limit-moves",
	[MOVE_NO_AGENT] = "no-agent",
	[MOVE_NO_CHANNEL] = "no-channel",
	[MOVE_NO_WORKER] = "no-worker",
	[MOVE_OFF_BY_OPERATOR] = "off-by-operator",
	[MOVE_DRAINING] = "draining",
	[MOVE_KERNEL_MISMATCH] = "kernel-mismatch",
	[MOVE_ERROR] = "error",
	[MOVE_CANCELLED] = "cancelled",
	[MOVE_SANDBOXED] = "sandboxed",
	[MOVE_UNSEEN_THREADS] = "unseen-threads",
	[MOVE_DATAGRAM_SIZE] = "datagram-size",
};

const char *move_reason_name(unsigned int reason)
{
	return names[reason < MOVE_REASONS ? reason : MOVE_ERROR];
}
