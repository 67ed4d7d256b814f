/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flow.h - follows the sequence numbers of TCP connections to tell retransmissions
 *
 * Runs in: hylics-wire
 * Reads from: the machines on both ends of the wire, through frame_parse() (hostile)
 */
#ifndef WIRE_FLOW_H
#define WIRE_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "lab/wire/frame.h"
#include "lab/wire/wire_limits.h"

/* What a flow is known by; compared as bytes, so the padding is named and zero. */
struct flow_key {
	uint8_t src[16], dst[16];
	uint16_t src_port, dst_port;
	uint16_t vlan;
	uint16_t net;
};

struct flow {
	struct flow_key key;
	uint64_t used;		/* number of the frame that used it last; 0: free */
	uint32_t next_seq;	/* one past the highest sequence number seen */
};

/* One direction's flows. */
struct flow_table {
	uint64_t clock;
	uint64_t evicted;	/* flows forgotten to make room */
	struct flow flow[WIRE_FLOWS];
};

/**
 * flow_see() - Note a TCP segment that takes up sequence numbers
 * @t:	Table of the segment's direction
 * @f:	From frame_parse(), one of the FRAME_TCP_ classes
 *
 * A flow that is not known yet, or was forgotten, begins with this segment.
 *
 * Return: true if it repeats sequence numbers seen before
 */
bool flow_see(struct flow_table *t, const struct frame_info *f);

#endif
