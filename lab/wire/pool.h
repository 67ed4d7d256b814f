/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pool.h - the slots that hold the frames of one direction while they are on their way
 *
 * Runs in: hylics-wire
 * Reads from: no untrusted input
 */
#ifndef WIRE_POOL_H
#define WIRE_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define POOL_NONE UINT32_MAX

struct pool_slot {
	uint32_t len;
	uint32_t next;		/* in the list of free slots, or in one of its owner's lists */
	int mark;		/* of a held frame: what it waits for */
	uint32_t left;		/* of a frame held back: how many may still overtake it */
	uint64_t due_ns;	/* of a frame held back: when it goes on at the latest */
	uint64_t overtaken_ns;	/* and when the first behind it leaves, UINT64_MAX: none is */
	uint8_t bytes[];
};

struct pool {
	uint8_t *memory;
	size_t stride;
	uint32_t slots;
	uint32_t room;		/* bytes of a frame */
	uint32_t used;
	uint32_t fresh;		/* slots from here on were never used */
	uint32_t free;		/* first of those given back */
};

/**
 * pool_open() - Reserve the slots; memory is touched only as far as they are used
 * @p:		Filled on success; pool_close() gives back
 * @slots:	How many
 * @room:	Bytes of the longest frame
 * @e:		Error
 */
int pool_open(struct pool *p, uint32_t slots, uint32_t room, struct hy_err *e);
void pool_close(struct pool *p);	/* also one that was never opened, if zeroed */

/* A slot, POOL_NONE if all are in use. */
uint32_t pool_take(struct pool *p);
void pool_give(struct pool *p, uint32_t slot);
struct pool_slot *pool_at(const struct pool *p, uint32_t slot);

#endif
