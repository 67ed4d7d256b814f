/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * page.h - the memory an agent shows to one program: is offload possible, and how each move went
 *
 * Runs in: hylics-agent (writes), libhylics (reads: its mapping is read-only)
 * Reads from: the library believes its agent; the agent never reads it back
 *
 * The agent makes it as a memfd, sealed against shrinking and against writing by others, and hands
 * it over when a program joins. It stays valid, and no longer changes, when the agent dies.
 */
#ifndef HY_PROTO_PAGE_H
#define HY_PROTO_PAGE_H

#include <stdatomic.h>
#include <stdint.h>

#define HY_PAGE_VERSION 1
#define HY_PAGE_SLOTS 16384	/* moved connections of one program; as many as a VM may have */

/* What became of the connection a program gave to its agent. */
enum hy_slot_state {
	SLOT_FREE,		/* or asked for and not yet seen by the agent */
	SLOT_ASKED,
	SLOT_MOVED,		/* the host has it */
	SLOT_LOCAL,		/* the agent serves it in the guest: it may be taken back */
	SLOT_GONE,		/* it has ended */
	SLOT_RESET,		/* likewise, by a reset: the pair's end is not the stream's */
	SLOT_TIMED_OUT,		/* likewise, as its client no longer answered */
};

struct hy_page {
	uint32_t version;
	uint32_t slots;
	_Atomic uint32_t possible;	/* 0: call the plain function, do not even ask */
	_Atomic uint32_t reason;	/* if not possible: enum move_reason */
	_Atomic uint64_t threshold;	/* bytes from which a move pays */
	_Atomic uint64_t share_dev;	/* st_dev of files on the share */
	struct {
		_Atomic uint8_t state;	/* enum hy_slot_state */
		_Atomic uint8_t reason;	/* enum move_reason, if it is not with the host */
		_Atomic uint16_t taken;	/* markers of the pair done with, counted round */
		_Atomic uint32_t slice;	/* bytes of the next markers; 0: not known yet */
	} slot[HY_PAGE_SLOTS];
};

#endif
