/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * segment.c - cut a frame that the sender left unsegmented into the frames a wire would carry
 *
 * Runs in: hylics-wire
 * Reads from: the machines on both ends of the wire (hostile)
 *
 * A lost super frame of 64 KB would be 45 lost packets in a row, and that is not what --loss says.
 * So what the sender's network card would have done is done here, as the kernel does it: the IPv4
 * identification counts up, PSH and FIN go with the last segment, CWR with the first.
 */
#include "lab/wire/segment.h"

#include <errno.h>
#include <string.h>

#include "lab/wire/csum.h"

enum { IP4_TOTAL_LEN = 2, IP4_ID = 4, IP6_LEN = 4, TCP_SEQ = 4, TCP_FLAGS = 13, UDP_LEN = 4 };

static void put_be16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put_be32(uint8_t *p, uint32_t v)
{
	put_be16(p, v >> 16);
	put_be16(p + 2, v & 0xffff);
}

static bool fits(const struct frame_info *f, uint8_t kind)
{
	bool tcp = f->class == FRAME_TCP_DATA || f->class == FRAME_TCP_CONTROL;

	switch (kind & ~SEGMENT_ECN_BIT) {
	case SEGMENT_TCP4:
		return tcp && f->net == FRAME_NET_IP4;
	case SEGMENT_TCP6:
		return tcp && f->net == FRAME_NET_IP6;
	case SEGMENT_UDP:
		return f->class == FRAME_UDP;
	default:
		return false;
	}
}

int segment_start(struct segment *s, const uint8_t *frame, size_t len, uint8_t kind,
		  uint16_t size)
{
	struct frame_info info;

	frame_parse(frame, len, &info);
	if (size == 0 || !fits(&info, kind) || info.payload_len == 0)
		return -EPROTO;
	*s = (struct segment){ .frame = frame, .info = info, .size = size };
	if (info.net == FRAME_NET_IP4)
		s->ip4_id = (uint16_t)(frame[info.l3 + IP4_ID] << 8 | frame[info.l3 + IP4_ID + 1]);
	return 0;
}

static void fix_ip(const struct segment *s, uint8_t *out, size_t len)
{
	const struct frame_info *f = &s->info;
	uint8_t *ip = out + f->l3;

	if (f->net == FRAME_NET_IP6) {
		put_be16(ip + IP6_LEN, len - f->l3 - FRAME_IP6_LEN);
		return;
	}
	put_be16(ip + IP4_TOTAL_LEN, len - f->l3);
	put_be16(ip + IP4_ID, (uint16_t)(s->ip4_id + s->number));
	csum_ip4(ip, (size_t)(ip[0] & 0x0f) * 4);
}

static void fix_tcp(const struct segment *s, uint8_t *out, bool last)
{
	uint8_t *tcp = out + s->info.l4;

	put_be32(tcp + TCP_SEQ, s->info.seq + s->at);
	if (!last)
		tcp[TCP_FLAGS] &= (uint8_t)~(FRAME_TCP_FIN | FRAME_TCP_PSH);
	if (s->number > 0)
		tcp[TCP_FLAGS] &= (uint8_t)~FRAME_TCP_CWR;
}

size_t segment_next(struct segment *s, uint8_t *out, size_t room)
{
	const struct frame_info *f = &s->info;
	uint32_t left = f->payload_len - s->at;
	uint32_t take = left < s->size ? left : s->size;
	size_t len = f->payload + (size_t)take;

	if (take == 0 || len > room)
		return 0;
	memcpy(out, s->frame, f->payload);
	memcpy(out + f->payload, s->frame + f->payload + s->at, take);
	fix_ip(s, out, len);
	if (f->proto == FRAME_PROTO_TCP)
		fix_tcp(s, out, take == left);
	else
		put_be16(out + f->l4 + UDP_LEN, FRAME_UDP_LEN + (size_t)take);
	csum_transport(out, f, len - f->l4);
	s->at += take;
	s->number++;
	return len;
}
