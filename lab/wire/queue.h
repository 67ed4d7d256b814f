/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue.h - the delay line: slots in the order they are due
 *
 * Runs in: hylics-wire
 * Reads from: no untrusted input
 */
#ifndef WIRE_QUEUE_H
#define WIRE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

struct queue_entry {
	uint64_t due_ns;
	uint64_t order;		/* entries due at once leave in the order they came */
	uint32_t slot;
};

struct queue {
	struct queue_entry *heap;	/* the caller's, of @room entries */
	uint32_t room;
	uint32_t n;
	uint64_t order;
};

/**
 * queue_push() - Put a slot into the line
 * @q:		Must have room: as many entries as the pool has slots
 * @slot:	Belongs to the line until it is popped
 * @due_ns:	When it leaves
 */
void queue_push(struct queue *q, uint32_t slot, uint64_t due_ns);

/* When the first entry is due, UINT64_MAX if there is none. */
uint64_t queue_due(const struct queue *q);

/**
 * queue_pop() - Take the first entry if it is due
 * @q:		Line
 * @now_ns:	Time
 * @slot:	Set if the return value is true
 */
bool queue_pop(struct queue *q, uint64_t now_ns, uint32_t *slot);

#endif
