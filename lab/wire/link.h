/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * link.h - one side of the wire: a packet socket on an interface, or the user's end of a tap
 *
 * Runs in: hylics-wire
 * Reads from: the machine on that side (hostile): any bytes, offload fields included
 */
#ifndef WIRE_LINK_H
#define WIRE_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "lab/wire/frame.h"
#include "lab/wire/wire_limits.h"

struct link {
	int fd;			/* -1: not open */
	bool tap;
	const char *name;
	int index;
	uint32_t mtu;
	uint64_t missed;	/* dropped by the kernel before we read */
};

/* A frame as it came in, not cut and not finished yet. */
struct link_frame {
	uint8_t *bytes;
	uint32_t len;
	bool cut_short;		/* longer than WIRE_FRAME_MAX */
	bool unfinished;	/* checksum holds the pseudo header's sum only */
	uint32_t csum_start;	/* not checked */
	uint32_t csum_field;	/* not checked */
	uint8_t segment_kind;	/* enum segment_kind; not checked */
	uint16_t segment_size;	/* not checked */
};

/* What is to be sent. */
struct link_out {
	const uint8_t *bytes;
	uint32_t len;
};

struct link_batch {
	struct link_frame frame[WIRE_BATCH];
	/* Four bytes in front, for a VLAN tag that the kernel hands over beside the frame. */
	uint8_t bytes[WIRE_BATCH][FRAME_VLAN_LEN + WIRE_FRAME_MAX];
};

/**
 * link_open() - Take hold of one side
 * @l:		Filled on success; link_close() gives back
 * @name:	Interface; must outlive @l
 * @tap:	Attach to it as a tap's user, instead of watching it with a packet socket
 * @e:		Error
 */
int link_open(struct link *l, const char *name, bool tap, struct hy_err *e);
void link_close(struct link *l);

/**
 * link_receive() - Take the frames that have come in
 * @l:	Side
 * @b:	Gets at most WIRE_BATCH frames
 *
 * Never blocks. Return: how many; 0: none now; -ENODEV: the interface is gone; -ENETDOWN: it is
 * down and may come back
 */
int link_receive(struct link *l, struct link_batch *b);

/**
 * link_send() - Send frames
 * @l:		Side
 * @out:	Whole frames, at most WIRE_BATCH
 * @n:		How many, at least 1
 *
 * Never blocks. Return: how many went; or, if the first did not, -EAGAIN when it may go later,
 * another error when it never will
 */
int link_send(struct link *l, const struct link_out *out, unsigned int n);

/* Brings l->missed up to date. */
void link_count_missed(struct link *l);

#endif
