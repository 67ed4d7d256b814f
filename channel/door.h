/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * door.h - how a worker that sees no path gets its channel's transport from its keeper
 *
 * Runs in: hylics-worker (asks), hylics-keeper (answers)
 * Reads from: the worker's questions (it may have been taken over by the guest); the kernel
 *
 * DOC: Why a keeper opens a worker's channel
 *
 * The socket of QEMU's character device belongs to QEMU's user, and only he may connect to it. So
 * the keeper does, whenever the worker asks. A question is one byte and has no content: what is
 * opened stands in the keeper's command line. The answer is an errno of 32 bits and, if that is 0,
 * a descriptor: a connection, or the keeper's listening socket, which outlives workers.
 *
 * A VM that does not run has no socket, perhaps for months. So the keeper watches the directory in
 * which it will be, and says in its answer (a second number, 1) that it will call: one byte, once,
 * when a name comes there that may be the socket's. Where it cannot watch, the worker asks on.
 */
#ifndef CHANNEL_DOOR_H
#define CHANNEL_DOOR_H

#include "channel/addr.h"

struct chan_door {
	struct chan_addr addr;
	int listener;			/* -1: this transport is connected, each time anew */
	int inside, outside;		/* the pair: for the worker, for the keeper; -1 */
	int watch;			/* of the socket's directory; -1: none */
	bool owed;			/* a call: the last answer was an error */
};

/**
 * chan_door_open() - In the keeper: open what listens
 * @d:		Filled
 * @text:	Address as for chan_addr_parse()
 * @e:		Error; -EADDRINUSE if another process listens there
 */
int chan_door_open(struct chan_door *d, const char *text, struct hy_err *e);
void chan_door_close(struct chan_door *d);

/**
 * chan_door_pair() - In the keeper: a pair for a new worker, without what the last one asked
 * @d:	Door; @d->inside is to be given away, and stays the door's
 * @e:	Error
 */
int chan_door_pair(struct chan_door *d, struct hy_err *e);

/**
 * chan_door_answer() - In the keeper, when @d->outside is readable
 * @d:	Door
 *
 * Answers one question, and never waits.
 */
void chan_door_answer(struct chan_door *d);

/**
 * chan_door_look() - In the keeper, when @d->watch is readable
 * @d:	Door
 *
 * Calls the worker if there may be something new for it. -EPIPE: the watch is over, and is to be
 * closed with chan_door_blind().
 */
int chan_door_look(struct chan_door *d);
void chan_door_blind(struct chan_door *d);	/* the worker is called, and asks by itself */

/**
 * chan_door_ask() - In the worker: the transport, now
 * @inside:	From the keeper
 * @addr:	Whose it is, for messages
 * @calls:	Whether the keeper will call when it is worth asking again
 * @e:		Error; -ETIMEDOUT if the keeper does not answer within HY_CHAN_DOOR_MS
 *
 * Return: a non-blocking descriptor, the caller's, or -errno
 */
int chan_door_ask(int inside, const struct chan_addr *addr, bool *calls, struct hy_err *e);

/**
 * chan_door_called() - In the worker, when @inside is readable: throws away what is there
 * @inside:	From the keeper
 *
 * Return: 0, -EPIPE: the keeper is gone
 */
int chan_door_called(int inside);

#endif
