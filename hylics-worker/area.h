/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * area.h - memory for the queues of the few connections that are on their way at the same time
 *
 * Runs in: hylics-worker
 * Reads from: no untrusted input
 *
 * An area holds the longest queues a connection may have. It is touched only as far as it is
 * used, and given back to the kernel when its connection has arrived. While the channel sends
 * from it, it stays, whatever becomes of its connection.
 */
#ifndef WORKER_AREA_H
#define WORKER_AREA_H

#include <stdbool.h>

#include "channel/chan.h"
#include "common/limits.h"
#include "tcpmove/image.h"

struct conn;

struct area {
	struct conn *owner;		/* NULL: free, or still being sent from */
	struct tcp_image img;		/* its bytes are this area's */
	uint32_t head;			/* bytes that came with, or went into, the offer itself */
	uint32_t rest;			/* bytes that come or go as MSG_QUEUE */
	uint32_t got;			/* of them */
	struct chan_stream stream;
	bool sending;			/* the stream is the channel's */
};

struct areas {
	struct area at[HY_MOVES_MAX];
	uint8_t *bytes;
};

/* Reserve all of them; memory is touched as they are used. */
int areas_open(struct areas *t, struct hy_err *e);
void areas_close(struct areas *t);	/* nothing is being sent from them any more */

/* For @owner, which has none; NULL: all are in use. */
struct area *area_take(struct areas *t, struct conn *owner);
void area_release(struct area *a);	/* NULL: nothing happens */

/**
 * area_send() - Send the rest of the queues as MSG_QUEUE
 * @a:		Area; its head is where the rest begins
 * @chan:	Channel
 * @id:		Of the connection
 *
 * Return: 0, -errno: nothing will be sent
 */
int area_send(struct area *a, struct chan *chan, uint32_t id);

#endif
