/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * door.h - how a worker that sees no path gets its channel's transport from its keeper
 *
 * Runs in: hylics-worker (asks), hylics-keeper (answers)
 * Reads from: the worker's questions (it may have been taken over by the guest)
 *
 * DOC: Why a keeper opens a worker's channel
 *
 * The socket of QEMU's character device belongs to QEMU's user, and only he may connect to it. So
 * the keeper does, whenever the worker asks. A question is one byte and has no content: what is
 * opened stands in the keeper's command line. The answer is an errno of 32 bits and, if that is 0,
 * a descriptor: a connection, or the keeper's listening socket, which outlives workers.
 */
#ifndef CHANNEL_DOOR_H
#define CHANNEL_DOOR_H

#include "channel/addr.h"

struct chan_door {
	struct chan_addr addr;
	int listener;			/* -1: this transport is connected, each time anew */
	int inside, outside;		/* the pair: for the worker, for the keeper; -1 */
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
void chan_door_answer(const struct chan_door *d);

/**
 * chan_door_ask() - In the worker: the transport, now
 * @inside:	From the keeper
 * @addr:	Whose it is, for messages
 * @e:		Error; -ETIMEDOUT if the keeper does not answer within HY_CHAN_DOOR_MS
 *
 * Return: a non-blocking descriptor, the caller's, or -errno
 */
int chan_door_ask(int inside, const struct chan_addr *addr, struct hy_err *e);

#endif
