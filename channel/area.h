/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * area.h - memory for the queues of the few connections that are on their way at the same time
 *
 * Runs in: hylics-agent, hylics-worker
 * Reads from: the peer's messages (hostile)
 *
 * An area holds the longest queues a connection may have. It is touched only as far as it is
 * used, and given back to the kernel when its connection has arrived. While the channel sends
 * from it, it stays, whatever becomes of its connection.
 */
#ifndef HY_CHANNEL_AREA_H
#define HY_CHANNEL_AREA_H

#include <stdbool.h>

#include "channel/chan.h"
#include "common/limits.h"
#include "proto/move.h"
#include "tcpmove/image.h"

struct area {
	struct tcp_image img;		/* its bytes are this area's */
	uint32_t head;			/* bytes that came with, or went into, the offer itself */
	uint32_t rest;			/* bytes that come or go as MSG_QUEUE */
	uint32_t got;			/* of them */
	bool taken;
	bool sending;			/* the stream is the channel's */
	struct chan_stream stream;
	void *memory;			/* what stands ahead of the bytes is the program's */
	size_t size;
	int advice;
};

struct areas {
	struct area at[HY_MOVES_MAX];
};

/**
 * areas_open() - Divide memory into areas
 * @t:		Filled
 * @memory:	HY_MOVES_MAX times @ahead and HY_TCP_QUEUE_MAX bytes, of whole pages; the caller's
 * @ahead:	Bytes of each that the program uses itself
 * @advice:	For madvise(): gives pages back, and makes zeros of them
 */
void areas_open(struct areas *t, void *memory, size_t ahead, int advice);

struct area *area_take(struct areas *t);	/* NULL: all are in use */
void area_release(struct area *a);		/* NULL: nothing happens */

/* Its number; and the one with a number, NULL if it is in use or there is none. */
uint32_t area_number(const struct areas *t, const struct area *a);
struct area *area_again(struct areas *t, uint32_t number);

/* Do the lengths an offer tells fit its record, and an area? */
bool area_fits(const struct move_offer *o, const struct tcp_record *rec);

/* Begin with what came in the offer; it fits. */
void area_expect(struct area *a, const struct move_offer *o, const struct tcp_record *rec);

/**
 * area_collect() - A piece of the rest has come
 * @a:		From area_expect(), not whole
 * @msg:	MSG_QUEUE
 *
 * Return: 1 if it is whole, 0 if more is to come, -EPROTO if that is not the next piece
 */
int area_collect(struct area *a, const struct message *msg);

/**
 * area_send() - Send the rest of the queues as MSG_QUEUE
 * @a:		Area; its head and rest are set
 * @chan:	Channel
 * @id:		Of the connection
 *
 * Return: 0, -errno: nothing will be sent
 */
int area_send(struct area *a, struct chan *chan, uint32_t id);

/* Whether a queue of this connection's is on its way, perhaps of an offer that was refused. */
bool area_is_sending(const struct areas *t, uint32_t id);

#endif
