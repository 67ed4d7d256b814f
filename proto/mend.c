/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mend.c - what can be done about each reason why a connection was not moved
 *
 * Runs in: hylics-guest
 * Reads from: no untrusted input
 *
 * The one table of it: docs/contracts.md and hylics-guest(1) are held against it.
 */
#include "proto/reason.h"

static const char *const mends[MOVE_REASONS] = {
	[MOVE_BELOW_THRESHOLD] = "nothing to do: the guest sends short answers faster itself",
	[MOVE_NOT_TCP] = "nothing to do: only TCP connections are moved",
	[MOVE_NOT_ESTABLISHED] = "nothing to do: it was not connected, or was closing",
	[MOVE_UNREAD_BYTES] = "nothing to do: it is tried again when the program has read",
	[MOVE_MPTCP] = "let the server listen without multipath TCP",
	[MOVE_ULP] = "switch kernel TLS off, or leave TLS to a proxy",
	[MOVE_URGENT_DATA] = "nothing to do: it is tried again when that is read",
	[MOVE_OWN_FILTER] = "let the program attach no filter to its sockets",
	[MOVE_SHARED_DESCRIPTOR] = "let one process, by one number, hold each connection",
	[MOVE_NOT_ON_SHARE] = "put the files on the share; hylics-guest status says where it is",
	[MOVE_FILE_CHANGED] = "replace files by renaming, not by writing into them",
	[MOVE_UNREADABLE] = "open the file for reading, and let the host read it",
	[MOVE_NO_TWIN] = "give the VM a NIC that the host can hook: hylics vm set NAME nic=...",
	[MOVE_GUEST_NAT] = "let the program listen at an address and port of the guest's own NIC",
	[MOVE_LIMIT_CONNECTIONS] = "nothing to do: as many connections as can be are moved",
	[MOVE_LIMIT_MOVES] = "nothing to do: it is tried again when fewer are on their way",
	[MOVE_NO_AGENT] = "start hylics-agent",
	[MOVE_NO_CHANNEL] = "give the VM its channel: hylics vm qemu-args, or vm libvirt-xml",
	[MOVE_NO_WORKER] = "look at hylics status on the host: its hylicsd or worker is gone",
	[MOVE_OFF_BY_OPERATOR] = "switch it on: hylics vm offload NAME on, or HYLICS in the guest",
	[MOVE_DRAINING] = "wait, or end the draining: hylics vm offload NAME on",
	[MOVE_KERNEL_MISMATCH] = "let host and guest have kernels with the same TCP options",
	[MOVE_ERROR] = "look into the agent's log and the worker's",
	[MOVE_CANCELLED] = "look why the host answers late: its CPU may be short",
	[MOVE_SANDBOXED] = "nothing to do, or start the program without its filter",
	[MOVE_UNSEEN_THREADS] = "let the program be looked at (apache: CoreDumpDirectory)",
	[MOVE_DATAGRAM_SIZE] = "let datagrams be so short that the path's MTU takes them",
};

const char *move_reason_mend(unsigned int reason)
{
	return reason < MOVE_REASONS && mends[reason] ? mends[reason] : mends[MOVE_ERROR];
}
