/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reset.c - make the TCP reset that the sender of a segment might have sent in its place
 *
 * Runs in: hylics-wire
 * Reads from: the machine on the sending side, through frame_parse() (hostile)
 *
 * The sequence number is the segment's own: of a segment that is next in order that is exactly what
 * the receiver expects, which is what RFC 5961 demands of a reset.
 */
#include "lab/wire/reset.h"

#include <string.h>

#include "lab/wire/csum.h"

enum { IP4_TOTAL_LEN = 2, IP6_LEN = 4, TCP_LEN_FLAGS = 12, TCP_WINDOW = 14, TCP_URGENT = 18,
       TCP_WORDS = 5 };

static void put_be16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

size_t reset_make(const uint8_t *frame, const struct frame_info *f, uint8_t out[RESET_LEN_MAX])
{
	size_t len = f->l4 + (size_t)FRAME_TCP_LEN;
	uint8_t *tcp, *ip;

	if (len > RESET_LEN_MAX)
		return 0;
	tcp = out + f->l4;
	ip = out + f->l3;
	memcpy(out, frame, len);
	tcp[TCP_LEN_FLAGS] = TCP_WORDS << 4;
	tcp[TCP_LEN_FLAGS + 1] = (uint8_t)(FRAME_TCP_RST | (f->tcp_flags & FRAME_TCP_ACK));
	put_be16(tcp + TCP_WINDOW, 0);
	put_be16(tcp + TCP_URGENT, 0);
	if (f->net == FRAME_NET_IP6) {
		put_be16(ip + IP6_LEN, len - f->l3 - FRAME_IP6_LEN);
	} else {
		put_be16(ip + IP4_TOTAL_LEN, len - f->l3);
		csum_ip4(ip, (size_t)(ip[0] & 0x0f) * 4);
	}
	csum_transport(out, f, FRAME_TCP_LEN);
	return len;
}
