/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seen.h - what a watch counts of the frames it is shown
 *
 * Runs in: hylics-talk watch
 * Reads from: frames of whoever is on the wire (hostile); at least their first bytes
 */
#ifndef TALK_SEEN_H
#define TALK_SEEN_H

#include <stddef.h>
#include <stdint.h>

#include "lab/talk/talk_limits.h"
#include "lab/wire/flow.h"
#include "lab/wire/frame.h"

#define SEEN_COUNTERS(X) \
	X(frames) X(segments) X(frame_bytes) X(payload_bytes) X(syn) X(fin) X(rst) \
	X(retransmitted) X(zero_windows) X(dup_acks) X(fragments) X(other) X(malformed)

struct seen_counts {
#define X(name) uint64_t name;
	SEEN_COUNTERS(X)
#undef X
};

/* The last acknowledgement of a flow. A place is taken over by another flow that falls into it. */
struct ack_place {
	struct flow_key key;
	uint32_t ack;
	uint16_t window;
	uint16_t used;
};

/* One direction. */
struct seen {
	struct seen_counts counts;
	struct flow_table flows;
	uint64_t acks_evicted;
	struct ack_place acks[TALK_ACK_PLACES];
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
 * @s:	Its direction; zeroed before the first
 * @f:	The frame
 */
void seen_take(struct seen *s, const struct seen_frame *f);

#endif
