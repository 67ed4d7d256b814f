/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tally.h - memory in which a program counts, for its agent, the calls that stayed plain
 *
 * Runs in: libhylics (writes), hylics-agent (reads)
 * Reads from: a program of the guest (hostile to the agent): every number may be any
 *
 * The agent makes it as a memfd, sealed against growing and shrinking, and hands it over with the
 * page. A count costs no system call, and as threads mostly serve sockets of their own, each
 * socket counts in one of a few stripes: two threads seldom want the same line of memory.
 *
 * DOC: The last example
 *
 * Each reason has one. Who writes it makes its turn odd, or leaves it if it is odd already: another
 * thread is at it, and that call is as good an example. The agent copies it and believes the copy
 * if the turn was even, and the same before and after.
 */
#ifndef HY_PROTO_TALLY_H
#define HY_PROTO_TALLY_H

#include <stdatomic.h>
#include <stdint.h>

#define HY_TALLY_VERSION 1
#define HY_TALLY_REASONS 32	/* room; enum move_reason has fewer */
#define HY_TALLY_STRIPES 4

struct hy_tally_last {
	_Atomic uint32_t turn;		/* odd: somebody is writing; 0: there is none */
	_Atomic uint32_t number;	/* of the socket */
	_Atomic uint64_t when_ms;	/* wall clock */
	_Atomic uint64_t dev, ino;	/* of the file; 0: the call was decided without it */
	_Atomic uint64_t offset, bytes;	/* that the call was for */
	uint64_t spare[2];		/* a line of memory each */
};

struct hy_tally {
	uint32_t version;
	uint32_t reasons;
	uint8_t spare[56];
	_Atomic uint64_t calls[HY_TALLY_STRIPES][HY_TALLY_REASONS];	/* by enum move_reason */
	struct hy_tally_last last[HY_TALLY_REASONS];
};

/* Where a call is counted that concerns a socket of this number. */
#define HY_TALLY_CELL(tally, sock, reason)                                                         \
	(&(tally)->calls[(unsigned int)(sock) % HY_TALLY_STRIPES][reason])

#endif
