/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire_frames.h - frames for the tests of the wire, and a plain checksum to compare with
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#ifndef TESTS_WIRE_FRAMES_H
#define TESTS_WIRE_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SPEC_TCP = 6, SPEC_UDP = 17 };

struct frame_spec {
	unsigned int tags;		/* VLAN tags; the outer one is number 100, the inner 200 */
	bool ip6;
	bool turned;			/* from the receiver's address to the sender's */
	unsigned int ip4_options;	/* bytes, a multiple of four */
	unsigned int ip6_options;	/* destination option headers of eight bytes */
	uint8_t proto;			/* SPEC_TCP or SPEC_UDP */
	uint16_t src_port, dst_port;
	uint32_t seq, ack;
	uint8_t tcp_flags;
	uint16_t window;
	unsigned int tcp_options;	/* bytes, a multiple of four */
	uint16_t ip4_id;
	size_t payload;			/* bytes 0, 1, 2 ... 250, 0 ... */
	size_t padding;			/* bytes after the datagram */
};

/* Writes a frame with right lengths and checksums; returns its length. */
size_t spec_build(uint8_t *out, const struct frame_spec *s);

/* Byte @i of the payload. */
uint8_t spec_payload(size_t i);

/* The checksum of bytes as RFC 1071 defines it, taken the slow way. */
uint16_t plain_csum(const uint8_t *bytes, size_t len);

/* Whether IPv4 header and transport checksums of a frame made as above are right. */
bool plain_ip4_right(const uint8_t *frame, size_t l3);
bool plain_transport_right(const uint8_t *frame, size_t l3, size_t l4, size_t end);

#endif
