/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * present.h - tells the programs at the guest's edge which connections may be in the twin
 *
 * Runs in: hylics-worker
 * Reads from: the kernel's count of the twin's sockets
 *
 * What it writes, and what is made of it, is in twin/splice_map.h. A copy's bit is set before there
 * is a socket. Bits are many connections', so none is taken back alone: all are, when the twin has
 * no socket at all. That is also when keeping begins: whatever an earlier worker left undone, it
 * left behind sockets, or there is none it could have been about.
 */
#ifndef WORKER_PRESENT_H
#define WORKER_PRESENT_H

#include <stdbool.h>

#include "common/ev.h"
#include "tcpmove/record.h"
#include "twin/splice_map.h"

struct present {
	struct splice_present *at;	/* the keeper's memory, NULL: none */
	struct ev_loop *loop;
	struct ev_timer again;		/* runs while a bit may be set */
	int count[2];			/* files that tell how many sockets, by family; -1 */
};

/* Open the kernel's counts of this namespace's sockets, -1 each: for a process that sees /proc. */
void present_counts(int count[2]);

/**
 * present_open() - Begin, with nobody to tell
 * @p:		Filled; must stay where it is
 * @loop:	For the look that comes later
 * @count:	From present_counts(), taken over
 */
void present_open(struct present *p, struct ev_loop *loop, const int count[2]);

/**
 * present_map() - From here on tell those who read a map
 * @p:		From present_open()
 * @fd:		From splice_present_make(), still the caller's
 * @e:		Error. An earlier worker may have begun to keep it, so no copy may be restored then
 */
int present_map(struct present *p, int fd, struct hy_err *e);

/* There will be a socket of this connection: before it exists. */
void present_add(struct present *p, const struct tcp_record *rec);

/* Datagrams are sent from this port of the guest's, or no more. */
void present_cast(struct present *p, uint16_t port, bool on);

/* Take the bits back if the twin has no socket; else look again later. */
void present_look(struct present *p);

/* Let go of the map; harmless on one that has none. */
void present_close(struct present *p);

#endif
