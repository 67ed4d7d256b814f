/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ring.h - the first bytes of every frame of an interface, through memory shared with the kernel
 *
 * Runs in: hylics-talk watch
 * Reads from: the kernel; the frames are of whoever is on the wire (hostile)
 */
#ifndef TALK_RING_H
#define TALK_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "lab/talk/seen.h"

struct ring {
	int fd;
	uint8_t *map;
	uint32_t next;			/* place of the frame that comes next */
	uint64_t drops;
};

/**
 * ring_open() - Begin to see what comes and goes
 * @r:		Filled on success
 * @interface:	Name of an interface of this namespace
 * @e:		Error; ENODEV if there is no such interface
 *
 * Return: 0, -errno
 */
int ring_open(struct ring *r, const char *interface, struct hy_err *e);

/**
 * ring_next() - The oldest frame that is there
 * @r:		Ring
 * @f:		bytes, captured, len and segment_bytes filled; valid until ring_done()
 * @outgoing:	Set: whether this machine sends it
 *
 * Return: whether there is one
 */
bool ring_next(struct ring *r, struct seen_frame *f, bool *outgoing);

/* The frame of ring_next() was read: its place is the kernel's again. */
void ring_done(struct ring *r);

/* Frames that found no room since the beginning; asks the kernel. */
uint64_t ring_drops(struct ring *r);

/* Gives the memory and the socket back. */
void ring_close(struct ring *r);

#endif
