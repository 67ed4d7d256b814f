/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pcap.h - record frames in a pcapng file, which Wireshark and tcpdump read
 *
 * Runs in: hylics-wire
 * Reads from: no untrusted input; frames are written as they are
 */
#ifndef WIRE_PCAP_H
#define WIRE_PCAP_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/err.h"
#include "lab/wire/wire_limits.h"

struct pcap {
	FILE *file;		/* NULL: nothing is recorded */
	const char *path;
};

/**
 * pcap_open() - Create the file; its interfaces 0 and 1 are the sides a and b
 * @p:		Filled on success; pcap_close() gives back
 * @path:	Must outlive @p; NULL: record nothing
 * @names:	Of the interfaces
 * @e:		Error
 */
int pcap_open(struct pcap *p, const char *path, const char *const names[WIRE_DIRECTIONS],
	      struct hy_err *e);

/**
 * pcap_frame() - Record a frame, with the time now
 * @p:		File; nothing happens if none is open
 * @side:	Where it came in
 * @bytes:	The frame
 * @len:	Its length
 * @comment:	Shown beside it, such as why it was dropped; or NULL
 */
void pcap_frame(struct pcap *p, int side, const uint8_t *bytes, size_t len, const char *comment);

/* Let readers see what was recorded so far. */
void pcap_flush(struct pcap *p);

/* Return: 0, or -EIO if any write since pcap_open() failed. */
int pcap_close(struct pcap *p, struct hy_err *e);

#endif
