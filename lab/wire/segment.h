/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * segment.h - cut a frame that the sender left unsegmented into the frames a wire would carry
 *
 * Runs in: hylics-wire
 * Reads from: the machines on both ends of the wire (hostile)
 */
#ifndef WIRE_SEGMENT_H
#define WIRE_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lab/wire/frame.h"

/* The numbers of struct virtio_net_hdr's gso_type. */
enum segment_kind {
	SEGMENT_NONE = 0,
	SEGMENT_TCP4 = 1,
	SEGMENT_UDP_FRAGMENTS = 3,	/* refused: no kernel since 4.14 makes them */
	SEGMENT_TCP6 = 4,
	SEGMENT_UDP = 5,
	SEGMENT_ECN_BIT = 0x80,
};

/* A cut in progress; the caller's, no resources. */
struct segment {
	const uint8_t *frame;
	struct frame_info info;
	uint32_t size;		/* payload bytes per segment */
	uint32_t at;		/* payload bytes already given out */
	uint16_t number;
	uint16_t ip4_id;
};

/**
 * segment_start() - Begin to cut a frame
 * @s:		Filled on success; points into @frame
 * @frame:	Private copy, must stay until the last segment_next()
 * @len:	Its length
 * @kind:	gso_type from the sender
 * @size:	gso_size from the sender
 *
 * Return: 0, -EPROTO if the headers do not fit @kind, or @size is 0
 */
int segment_start(struct segment *s, const uint8_t *frame, size_t len, uint8_t kind,
		  uint16_t size);

/**
 * segment_next() - Write the next segment, headers and checksums complete
 * @s:		From segment_start()
 * @out:	Gets the frame
 * @room:	Its size
 *
 * Return: its length, 0 after the last one or if @room is too small
 */
size_t segment_next(struct segment *s, uint8_t *out, size_t room);

#endif
