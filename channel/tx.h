/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tx.h - what waits to be sent on a channel, most urgent lane first
 *
 * Runs in: hylics-worker, hylics-agent
 * Reads from: no untrusted input, but for the credit, which is checked here
 *
 * A frame that was begun is finished; after it the most urgent lane that has one is next. Frames
 * that wait leave in one write as far as they fit into the room of the longest: whoever reads wakes
 * up at the first byte, perhaps in the writer's place, and should find all of them. Messages
 * of all lanes but the last are copied into a fixed buffer per lane. Those of LANE_BULK stay
 * in their owner's memory and are cut into chunks as they go, and no more than MSG_BULK_WINDOW
 * bytes of them are under way before the peer has said that it took them: whatever a transport
 * buffers in between, a ping has one chunk's worth of bulk before it and not more.
 *
 * LANE_STREAM may have something to say for ever. When TX_STREAM_TURN bytes of it have gone while
 * a bulk message was ready, one chunk of that is next.
 */
#ifndef CHANNEL_TX_H
#define CHANNEL_TX_H

#include "proto/frame.h"
#include "proto/msg.h"

/* In so many bytes of LANE_STREAM one chunk of LANE_BULK may take 8192: an eighth. */
#define TX_STREAM_TURN (4 * HY_CHUNK_MAX)

struct chan_stream {
	uint16_t type;			/* of LANE_BULK */
	uint32_t id;
	const uint8_t *data;		/* the owner's, unchanged until done() */
	uint32_t total;
	/* called once: 0 when the last byte went out, -ECONNRESET if the session ended before */
	void (*done)(struct chan_stream *s, int rc);
	void *object;			/* the owner's own */
	uint32_t offset;		/* sent so far */
	struct chan_stream *next;
};

struct tx_lane {
	uint8_t buf[HY_CHAN_QUEUE_MAX];	/* frames, back to back */
	size_t head, tail;
};

struct chan_tx {
	uint32_t epoch;			/* ours, in every header */
	struct tx_lane lane[LANE_BULK];
	struct chan_stream *first, **last;
	uint32_t bulk_unpaid;		/* bytes under way, not yet credited */
	uint32_t stream_turn;		/* bytes of LANE_STREAM since bulk last had its turn */
	uint8_t refused;		/* lanes that had no room for a message, 1 << lane each */
	uint8_t cur[FRAME_LEN_MAX];	/* the frames being written */
	size_t cur_len, cur_off;
	bool cur_ends_stream;		/* with its last byte the first stream is done */
};

/* Forget everything; streams are told -ECONNRESET. */
void tx_reset(struct chan_tx *tx, uint32_t epoch);

/**
 * tx_greet() - Begin a session: resync mark and hello, before anything else
 * @tx:		What was queued, or half sent, belongs to no session any more and is forgotten
 * @hello:	Its epoch becomes that of all headers
 */
void tx_greet(struct chan_tx *tx, const struct msg_hello *hello);

/**
 * tx_message() - Queue a message of any lane but LANE_BULK
 * @tx:		Queue
 * @info:	Its row of the table
 * @id:		Its id
 * @payload:	Copied
 * @len:	Within the row's limits
 *
 * Return: 0, -EAGAIN if the lane has no room for it, -EINVAL if it is no message of such a lane
 */
int tx_message(struct chan_tx *tx, const struct msg_info *info, uint32_t id, const void *payload,
	       size_t len);

/* Whether a lane, not LANE_BULK, can take a message of any length and any bytes. */
bool tx_has_room(const struct chan_tx *tx, enum msg_lane lane);

/* Whether a lane that has refused a message has room for any again. */
bool tx_room_is_due(const struct chan_tx *tx);

/* The same, and forget what those lanes have refused: their senders are going to be told. */
bool tx_take_room(struct chan_tx *tx);

/**
 * tx_stream() - Queue a message of the bulk lane
 * @tx:	Queue
 * @s:	Filled; the queue's until its done() is called
 */
void tx_stream(struct chan_tx *tx, struct chan_stream *s);

/**
 * tx_credit() - The peer has taken bytes of the bulk lane
 * @tx:		Queue
 * @bytes:	The peer's claim
 *
 * Return: 0, -EPROTO if that is more than was sent
 */
int tx_credit(struct chan_tx *tx, uint64_t bytes);

/**
 * tx_next() - What to write now
 * @tx:	Queue
 * @p:	Set
 *
 * Return: how many bytes, 0 if nothing can be sent
 */
size_t tx_next(struct chan_tx *tx, const uint8_t **p);
void tx_written(struct chan_tx *tx, size_t n);

#endif
