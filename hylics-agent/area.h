/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * area.h - memory for the queues of the few connections that are on their way at the same time
 *
 * Runs in: hylics-agent
 * Reads from: no untrusted input
 *
 * An area holds the longest queues a connection may have, touched as far as they are used. It lies
 * in the table that outlives the agent: a connection that was rebuilt has its unsent bytes nowhere
 * else between the host's forgetting it and its waking up. While the channel sends from an area,
 * it stays, whatever becomes of its connection.
 */
#ifndef AGENT_AREA_H
#define AGENT_AREA_H

#include "channel/chan.h"
#include "tcpmove/image.h"

struct conn;

/* What an area's memory begins with; the queues follow at AREA_BYTES_AT. */
struct area_head {
	uint32_t record_len;
	uint8_t record[TCP_RECORD_MAX];
};

#define AREA_BYTES_AT 4096u
#define AREA_SIZE ((size_t)AREA_BYTES_AT + HY_TCP_QUEUE_MAX)

struct area {
	struct conn *owner;		/* NULL: free, or still being sent from */
	struct area_head *head;
	struct tcp_image img;		/* its bytes are this area's */
	uint32_t got, want;		/* HOMING: bytes that have come, and that are to */
	struct chan_stream stream;
	bool sending;			/* the stream is the channel's */
};

struct areas {
	struct area at[HY_MOVES_MAX];
};

/* @memory has HY_MOVES_MAX times AREA_SIZE bytes of a shared mapping, and stays the caller's. */
void areas_open(struct areas *t, uint8_t *memory);

/* For @owner, which has none; NULL: all are in use. */
struct area *area_take(struct areas *t, struct conn *owner);
void area_release(struct area *a);		/* NULL: nothing happens */

/* Its number, for the table; and the one with a number, for @owner again. */
uint32_t area_number(const struct areas *t, const struct area *a);
struct area *area_again(struct areas *t, uint32_t number, struct conn *owner);

/* Send the queues from @from on as MSG_QUEUE of connection @id. */
int area_send(struct area *a, struct chan *chan, uint32_t id, uint32_t from);

#endif
