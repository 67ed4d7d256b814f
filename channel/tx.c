/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tx.c - what waits to be sent on a channel, most urgent lane first
 *
 * Runs in: hylics-worker, hylics-agent
 * Reads from: no untrusted input, but for the credit, which is checked here
 */
#include "channel/tx.h"

#include <errno.h>
#include <string.h>

/* Two chunks within the window, so that one is on its way while the other's credit comes back. */
#define BULK_CHUNK (MSG_BULK_WINDOW / 2)

/* A message whose payload is nothing but resync marks has a header every 16 bytes. */
#define COST_MAX(len) ((len) + ((len) / (FRAME_MARK_LEN - 1) + 2) * FRAME_OVERHEAD)

static void drop_streams(struct chan_tx *tx)
{
	struct chan_stream *s = tx->first;

	tx->first = NULL;
	tx->last = &tx->first;
	while (s) {
		struct chan_stream *next = s->next;

		s->done(s, -ECONNRESET);	/* may free it */
		s = next;
	}
}

void tx_reset(struct chan_tx *tx, uint32_t epoch)
{
	tx->epoch = epoch;
	for (unsigned int i = 0; i < LANE_BULK; i++)
		tx->lane[i].head = tx->lane[i].tail = 0;
	tx->bulk_unpaid = tx->stream_turn = 0;
	tx->refused = 0;
	tx->cur_len = tx->cur_off = 0;
	tx->cur_ends_stream = false;
	drop_streams(tx);
}

void tx_greet(struct chan_tx *tx, const struct msg_hello *hello)
{
	uint8_t payload[MSG_HELLO_MAX];
	uint16_t len = (uint16_t)msg_hello_encode(hello, payload, sizeof(payload));
	struct frame f = { .type = MSG_HELLO, .epoch = hello->epoch, .total = len, .len = len,
			   .payload = payload };

	tx_reset(tx, hello->epoch);
	memcpy(tx->cur, FRAME_MARK, FRAME_MARK_LEN);
	tx->cur_len = FRAME_MARK_LEN + frame_encode(&f, tx->cur + FRAME_MARK_LEN);
}

static size_t lane_room(const struct tx_lane *lane)
{
	return sizeof(lane->buf) - (lane->tail - lane->head);
}

bool tx_has_room(const struct chan_tx *tx, enum msg_lane lane)
{
	return lane_room(&tx->lane[lane]) >= COST_MAX(HY_CHUNK_MAX);
}

/* Of the lanes that have refused a message those that would not now. */
static uint8_t lanes_due(const struct chan_tx *tx)
{
	uint8_t due = 0;

	for (unsigned int i = 0; i < LANE_BULK && tx->refused; i++) {
		if ((tx->refused & (1u << i)) && tx_has_room(tx, i))
			due |= (uint8_t)(1u << i);
	}
	return due;
}

bool tx_room_is_due(const struct chan_tx *tx)
{
	return lanes_due(tx) != 0;
}

bool tx_take_room(struct chan_tx *tx)
{
	uint8_t due = lanes_due(tx);

	tx->refused &= (uint8_t)~due;
	return due != 0;
}

/* Moves what waits to the front of the buffer unless @need bytes follow it anyway. */
static void make_room(struct tx_lane *lane, size_t need)
{
	if (lane->head == 0 || sizeof(lane->buf) - lane->tail >= need)
		return;
	memmove(lane->buf, lane->buf + lane->head, lane->tail - lane->head);
	lane->tail -= lane->head;
	lane->head = 0;
}

/* Behind what waits; false if it does not fit, and then nothing has changed. */
static bool append(struct tx_lane *lane, struct frame f, const uint8_t *payload)
{
	size_t at = lane->tail;

	do {
		f.payload = payload + f.offset;
		f.len = (uint16_t)frame_chunk_len(f.payload, f.total - f.offset, HY_CHUNK_MAX);
		if (sizeof(lane->buf) - at < FRAME_OVERHEAD + (size_t)f.len)
			return false;
		at += frame_encode(&f, lane->buf + at);
		f.offset += f.len;
	} while (f.offset < f.total);
	lane->tail = at;
	return true;
}

int tx_message(struct chan_tx *tx, const struct msg_info *info, uint32_t id, const void *payload,
	       size_t len)
{
	struct frame f = { .type = info->type, .id = id, .epoch = tx->epoch,
			   .total = (uint32_t)len };
	struct tx_lane *lane;

	if (info->lane == LANE_BULK || len < info->min || len > info->max)
		return -EINVAL;
	lane = &tx->lane[info->lane];
	if (lane_room(lane) >= FRAME_OVERHEAD + len) {
		make_room(lane, COST_MAX(len));
		if (append(lane, f, len ? payload : ""))
			return 0;
	}
	tx->refused |= (uint8_t)(1u << info->lane);
	return -EAGAIN;
}

void tx_stream(struct chan_tx *tx, struct chan_stream *s)
{
	s->offset = 0;
	s->next = NULL;
	*tx->last = s;
	tx->last = &s->next;
}

int tx_credit(struct chan_tx *tx, uint64_t bytes)
{
	if (bytes > tx->bulk_unpaid)
		return -EPROTO;
	tx->bulk_unpaid -= (uint32_t)bytes;
	return 0;
}

/* Behind what is to be written. Return: bytes, 0 if the lane has nothing, or nothing that fits. */
static size_t take_from_lane(struct chan_tx *tx, struct tx_lane *lane)
{
	const uint8_t *at = lane->buf + lane->head;
	struct frame f;
	size_t len;

	if (lane->head == lane->tail || frame_decode_header(at, &f) < 0)
		return 0;
	len = FRAME_OVERHEAD + (size_t)f.len;
	if (len > sizeof(tx->cur) - tx->cur_len)
		return 0;
	memcpy(tx->cur + tx->cur_len, at, len);
	tx->cur_len += len;
	lane->head += len;
	if (lane->head == lane->tail)
		lane->head = lane->tail = 0;
	return len;
}

static void finish_stream(struct chan_tx *tx)
{
	struct chan_stream *s = tx->first;

	tx->first = s->next;
	if (!tx->first)
		tx->last = &tx->first;
	s->done(s, 0);
}

static void take_from_bulk(struct chan_tx *tx)
{
	struct chan_stream *s = tx->first;
	size_t max = MSG_BULK_WINDOW - tx->bulk_unpaid;
	struct frame f = { .type = s->type, .id = s->id, .epoch = tx->epoch, .total = s->total,
			   .offset = s->offset, .payload = s->data + s->offset };

	f.len = (uint16_t)frame_chunk_len(f.payload, s->total - s->offset,
					  max < BULK_CHUNK ? max : BULK_CHUNK);
	tx->cur_len = frame_encode(&f, tx->cur);
	tx->bulk_unpaid += f.len;
	s->offset += f.len;
	tx->cur_ends_stream = s->offset == s->total;
	tx->stream_turn = 0;
}

static bool bulk_is_ready(const struct chan_tx *tx)
{
	return tx->first && tx->bulk_unpaid < MSG_BULK_WINDOW;
}

/* LANE_STREAM, or a chunk of LANE_BULK whose turn it is, and which goes alone. */
static bool take_from_stream_or_bulk(struct chan_tx *tx)
{
	bool ready = bulk_is_ready(tx);
	size_t len = 0;

	if (!(ready && tx->stream_turn >= TX_STREAM_TURN))
		len = take_from_lane(tx, &tx->lane[LANE_STREAM]);
	tx->stream_turn += ready ? (uint32_t)len : 0;
	if (len == 0 && ready && tx->cur_len == 0)
		take_from_bulk(tx);
	return len > 0;
}

/* Return: whether another one may follow in the same write; a more urgent one is not passed by. */
static bool take_frame(struct chan_tx *tx)
{
	for (unsigned int i = 0; i < LANE_STREAM; i++) {
		struct tx_lane *lane = &tx->lane[i];

		if (lane->head < lane->tail)
			return take_from_lane(tx, lane) > 0;
	}
	return take_from_stream_or_bulk(tx);
}

size_t tx_next(struct chan_tx *tx, const uint8_t **p)
{
	if (tx->cur_off == tx->cur_len) {
		tx->cur_off = tx->cur_len = 0;
		while (take_frame(tx))
			;
	}
	*p = tx->cur + tx->cur_off;
	return tx->cur_len - tx->cur_off;
}

void tx_written(struct chan_tx *tx, size_t n)
{
	tx->cur_off += n;
	if (tx->cur_off == tx->cur_len && tx->cur_ends_stream) {
		tx->cur_ends_stream = false;
		finish_stream(tx);
	}
}
