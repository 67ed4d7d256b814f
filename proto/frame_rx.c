/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frame_rx.c - takes frames out of a stream of received bytes, and finds the way back after a cut
 *
 * Runs in: hylics-worker, hylics-agent, tests
 * Reads from: the peer on the channel (hostile)
 */
#include "proto/frame_rx.h"

#include <errno.h>
#include <string.h>

void frame_rx_reset(struct frame_rx *rx)
{
	rx->head = rx->tail = rx->scanned = rx->mark = 0;
	rx->has_mark = false;
	rx->synced = false;
	rx->broken = false;
}

uint8_t *frame_rx_room(struct frame_rx *rx, size_t *room)
{
	if (rx->head) {
		memmove(rx->buf, rx->buf + rx->head, rx->tail - rx->head);
		rx->tail -= rx->head;
		rx->scanned -= rx->scanned < rx->head ? rx->scanned : rx->head;
		rx->mark -= rx->has_mark ? rx->head : 0;
		rx->head = 0;
	}
	*room = sizeof(rx->buf) - rx->tail;
	return rx->buf + rx->tail;
}

void frame_rx_filled(struct frame_rx *rx, size_t n)
{
	rx->tail += n;
}

static void look_for_mark(struct frame_rx *rx)
{
	size_t from = rx->scanned > rx->head ? rx->scanned : rx->head;
	size_t at;

	if (rx->has_mark || rx->tail - from < FRAME_MARK_LEN)
		return;
	at = from + frame_find_mark(rx->buf + from, rx->tail - from);
	rx->has_mark = at < rx->tail;
	rx->mark = rx->has_mark ? at : 0;
	/* a mark may have begun in the last bytes */
	rx->scanned = rx->has_mark ? at : rx->tail - FRAME_MARK_LEN + 1;
}

static void discard_to(struct frame_rx *rx, size_t pos)
{
	rx->discarded += pos - rx->head;
	rx->head = pos;
}

static int take_mark(struct frame_rx *rx)
{
	discard_to(rx, rx->mark);
	rx->head += FRAME_MARK_LEN;
	rx->scanned = rx->head;
	rx->has_mark = false;
	rx->synced = true;
	rx->broken = false;
	return FRAME_SYNC;
}

/* Half a frame with the beginning of a mark behind it is no fault; see proto/frame.h. */
static int take_broken(struct frame_rx *rx)
{
	size_t begun;

	if (rx->has_mark)
		return take_mark(rx);
	begun = frame_begun_mark(rx->buf + rx->head, rx->tail - rx->head);
	if (!begun)
		return -EPROTO;
	discard_to(rx, rx->tail - begun);
	rx->broken = true;
	return FRAME_NONE;
}

static int take_before_sync(struct frame_rx *rx)
{
	if (rx->has_mark)
		return take_mark(rx);
	if (rx->scanned > rx->head)
		discard_to(rx, rx->scanned);
	return FRAME_NONE;
}

int frame_rx_next(struct frame_rx *rx, struct frame *f)
{
	size_t end;
	struct frame got;

	look_for_mark(rx);
	end = rx->has_mark ? rx->mark : rx->tail;
	if (!rx->synced)
		return take_before_sync(rx);
	if (rx->broken)
		return take_broken(rx);
	if (end - rx->head < FRAME_HEADER_LEN)
		return rx->has_mark ? take_mark(rx) : FRAME_NONE;
	if (frame_decode_header(rx->buf + rx->head, &got) < 0)
		return take_broken(rx);
	if (end - rx->head < FRAME_OVERHEAD + (size_t)got.len)
		return rx->has_mark ? take_mark(rx) : FRAME_NONE;
	if (!frame_is_closed(&got, rx->buf + rx->head))
		return take_broken(rx);
	got.payload = rx->buf + rx->head + FRAME_HEADER_LEN;
	rx->head += FRAME_OVERHEAD + (size_t)got.len;
	*f = got;
	return FRAME_READY;
}
