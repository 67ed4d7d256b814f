/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seen.h - what a watch counts of the frames it is shown
 *
 * Runs in: hylics-talk watch
 * Reads from: frames of whoever is on the wire (hostile); at least their first bytes
 */
#ifndef TALK_SEEN_H
#define TALK_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lab/talk/talk_limits.h"
#include "lab/wire/flow.h"
#include "lab/wire/frame.h"

#define SEEN_COUNTERS(X) \
	X(frames) X(segments) X(frame_bytes) X(payload_bytes) X(syn) X(fin) X(rst) \
	X(rst_late) \
	X(retransmitted) X(zero_windows) X(dup_acks) X(fragments) X(other) X(malformed)

struct seen_counts {
#define X(name) uint64_t name;
	SEEN_COUNTERS(X)
#undef X
};

/* The last word of a flow. A place is taken over by another flow that falls into it. */
struct flow_place {
	struct flow_key key;
	uint32_t ack;
	uint32_t end;			/* what acknowledges its FIN */
	uint16_t window;
	bool used, ended;		/* ended: it has sent a FIN */
};

/* One direction. */
struct seen {
	struct seen_counts counts;
	struct flow_table flows;
	uint64_t acks_evicted;
	struct flow_place places[TALK_FLOW_PLACES];
};

/* A frame as the kernel tells of it. */
struct seen_frame {
	const uint8_t *bytes;
	size_t captured;		/* bytes that are there, TALK_SNAP_BYTES at most */
	size_t len;			/* of the frame on the wire */
	uint32_t segment_bytes;		/* payload of each segment it stands for; 0: it is one */
	uint16_t port;			/* of interest; 0: all frames */
};

/**
 * seen_take() - Count a frame
 * @s:		Its direction; zeroed before the first
 * @back:	The other direction
 * @f:		The frame
 *
 * A RST is late when both sides have said their end and the receiver of the RST has acknowledged
 * that of its sender: any kernel answers so to a frame that the wire has doubled or delayed, and
 * there is nobody left whom it could hurt.
 */
void seen_take(struct seen *s, const struct seen *back, const struct seen_frame *f);

#endif
