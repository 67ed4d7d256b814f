/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frame_rx.h - takes frames out of a stream of received bytes, and finds the way back after a cut
 *
 * Runs in: hylics-worker, hylics-agent, tests
 * Reads from: the peer on the channel (hostile)
 *
 * The caller reads into frame_rx_room(), tells how much by frame_rx_filled(), and then calls
 * frame_rx_next() until it says that there is no more. Bytes lie in the buffer once and are not
 * moved while a frame points at them.
 */
#ifndef HY_PROTO_FRAME_RX_H
#define HY_PROTO_FRAME_RX_H

#include "proto/frame.h"

/* One whole frame behind a partial one, so that a read is seldom cut short. */
#define FRAME_RX_ROOM (2 * FRAME_LEN_MAX)

enum frame_event {
	FRAME_NONE,	/* read more */
	FRAME_READY,	/* *f is a frame */
	FRAME_SYNC,	/* the resync mark: a session of the peer begins here */
};

struct frame_rx {
	uint8_t buf[FRAME_RX_ROOM];
	size_t head;		/* first byte not yet given out */
	size_t tail;		/* end of what was received */
	size_t scanned;		/* no mark begins before this */
	size_t mark;		/* where one begins, if has_mark */
	bool has_mark;
	bool synced;		/* false: everything up to the next mark is thrown away */
	bool broken;		/* what came is no frame: a mark must follow at once */
	uint64_t discarded;	/* bytes thrown away, in all */
};

/* Starts anew: nothing is believed before a resync mark. */
void frame_rx_reset(struct frame_rx *rx);

/**
 * frame_rx_room() - Where to read into
 * @rx:		Frames given out before are void from here on
 * @room:	Set: at least FRAME_LEN_MAX, if frame_rx_next() was called until FRAME_NONE
 */
uint8_t *frame_rx_room(struct frame_rx *rx, size_t *room);
void frame_rx_filled(struct frame_rx *rx, size_t n);

/**
 * frame_rx_next() - Take the next frame or mark
 * @rx:	Receiver
 * @f:	Set for FRAME_READY; its payload lies in the buffer until the next frame_rx_room()
 *
 * Return: an enum frame_event, or -EPROTO: the stream cannot be followed, close the channel
 */
int frame_rx_next(struct frame_rx *rx, struct frame *f);

#endif
