/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pool.c - the slots that hold the frames of one direction while they are on their way
 *
 * Runs in: hylics-wire
 * Reads from: no untrusted input
 */
#include "lab/wire/pool.h"

#include <errno.h>
#include <sys/mman.h>

#define ALIGN 16

int pool_open(struct pool *p, uint32_t slots, uint32_t room, struct hy_err *e)
{
	size_t stride = (sizeof(struct pool_slot) + room + ALIGN - 1) / ALIGN * ALIGN;
	void *memory = mmap(NULL, stride * slots, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return hy_err_set(e, errno, "reserve %u slots of %zu bytes (see --pool)", slots,
				  stride);
	*p = (struct pool){ .memory = memory, .stride = stride, .slots = slots, .room = room,
			    .free = POOL_NONE };
	return 0;
}

void pool_close(struct pool *p)
{
	if (p->memory)
		munmap(p->memory, p->stride * p->slots);
	p->memory = NULL;
}

struct pool_slot *pool_at(const struct pool *p, uint32_t slot)
{
	return (void *)(p->memory + p->stride * slot);
}

uint32_t pool_take(struct pool *p)
{
	uint32_t slot = p->free;

	if (slot != POOL_NONE)
		p->free = pool_at(p, slot)->next;
	else if (p->fresh < p->slots)
		slot = p->fresh++;
	else
		return POOL_NONE;
	p->used++;
	return slot;
}

void pool_give(struct pool *p, uint32_t slot)
{
	pool_at(p, slot)->next = p->free;
	p->free = slot;
	p->used--;
}
