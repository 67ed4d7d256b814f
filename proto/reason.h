/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * reason.h - why a connection was not moved: one list for counters, logs, messages and `why`
 *
 * Runs in: hylics-agent, hylics-worker, hylics-guest, libhylics
 * Reads from: no untrusted input
 */
#ifndef HY_PROTO_REASON_H
#define HY_PROTO_REASON_H

/* The words are those of docs/contracts.md. The numbers travel: new ones go behind the last. */
enum move_reason {
	MOVE_DONE,			/* no reason: it was moved */
	MOVE_BELOW_THRESHOLD,
	MOVE_NOT_TCP,
	MOVE_NOT_ESTABLISHED,
	MOVE_UNREAD_BYTES,
	MOVE_MPTCP,
	MOVE_ULP,
	MOVE_URGENT_DATA,
	MOVE_OWN_FILTER,
	MOVE_SHARED_DESCRIPTOR,
	MOVE_NOT_ON_SHARE,
	MOVE_FILE_CHANGED,
	MOVE_UNREADABLE,
	MOVE_NO_TWIN,
	MOVE_GUEST_NAT,
	MOVE_LIMIT_CONNECTIONS,
	MOVE_LIMIT_MOVES,
	MOVE_NO_AGENT,
	MOVE_NO_CHANNEL,
	MOVE_NO_WORKER,
	MOVE_OFF_BY_OPERATOR,
	MOVE_DRAINING,
	MOVE_KERNEL_MISMATCH,
	MOVE_ERROR,
	MOVE_CANCELLED,
	MOVE_SANDBOXED,
	MOVE_UNSEEN_THREADS,
	MOVE_DATAGRAM_SIZE,
	MOVE_REASONS,
};

/**
 * move_reason_name() - "below-threshold", ...
 * @reason:	Any number
 *
 * Return: a constant; "moved" for MOVE_DONE, "error" for what is not in the enum
 */
const char *move_reason_name(unsigned int reason);

/* What can be done about it, in a sentence; for what is not in the enum that of MOVE_ERROR. */
const char *move_reason_mend(unsigned int reason);

#endif
