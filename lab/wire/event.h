/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * event.h - what epoll carries for each descriptor: a typed value, never a pointer
 *
 * Runs in: hylics-wire
 * Reads from: no untrusted input
 */
#ifndef WIRE_EVENT_H
#define WIRE_EVENT_H

#include <stdint.h>

enum event_kind {
	EVENT_SIDE,		/* index: which side */
	EVENT_TIMER,
	EVENT_SIGNAL,
	EVENT_LISTENER,
	EVENT_CLIENT,		/* index: its place; generation: who has it */
	EVENT_KINDS,
};

struct event {
	enum event_kind kind;
	unsigned int index;
	uint32_t generation;
};

/**
 * event_watch() - Add a descriptor to an epoll set, or change what is waited for
 * @epoll_fd:	The set
 * @op:		EPOLL_CTL_ADD or EPOLL_CTL_MOD
 * @fd:		What to watch; closing it ends the watch
 * @ev:		Comes back with every event
 * @events:	EPOLLIN or 0
 *
 * Return: 0, -errno
 */
int event_watch(int epoll_fd, int op, int fd, struct event ev, uint32_t events);

/* The value epoll gave back. */
struct event event_unpack(uint64_t data);

#endif
