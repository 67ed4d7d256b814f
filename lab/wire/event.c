/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * event.c - what epoll carries for each descriptor: a typed value, never a pointer
 *
 * Runs in: hylics-wire
 * Reads from: no untrusted input
 */
#include "lab/wire/event.h"

#include <errno.h>
#include <sys/epoll.h>

enum { KIND_SHIFT = 56, INDEX_SHIFT = 32, INDEX_MASK = 0xffffff };

int event_watch(int epoll_fd, int op, int fd, struct event ev, uint32_t events)
{
	struct epoll_event e = {
		.events = events,
		.data.u64 = (uint64_t)ev.kind << KIND_SHIFT |
			    (uint64_t)(ev.index & INDEX_MASK) << INDEX_SHIFT | ev.generation,
	};

	return epoll_ctl(epoll_fd, op, fd, &e) < 0 ? -errno : 0;
}

struct event event_unpack(uint64_t data)
{
	return (struct event){
		.kind = (enum event_kind)(data >> KIND_SHIFT),
		.index = (unsigned int)(data >> INDEX_SHIFT) & INDEX_MASK,
		.generation = (uint32_t)data,
	};
}
