/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire_frames.c - frames for the tests of the wire, and a plain checksum to compare with
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include "tests/unit/wire_frames.h"

#include <string.h>

struct out {
	uint8_t *start, *p;
};

static void put8(struct out *o, unsigned int v)
{
	*o->p++ = (uint8_t)v;
}

static void put16(struct out *o, size_t v)
{
	put8(o, v >> 8 & 0xff);
	put8(o, v & 0xff);
}

static void put32(struct out *o, uint32_t v)
{
	put16(o, v >> 16);
	put16(o, v & 0xffff);
}

static void fill(struct out *o, unsigned int byte, size_t n)
{
	memset(o->p, (int)byte, n);
	o->p += n;
}

uint8_t spec_payload(size_t i)
{
	return (uint8_t)(i % 251);
}

static uint32_t plain_sum(uint32_t sum, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

uint16_t plain_csum(const uint8_t *bytes, size_t len)
{
	return (uint16_t)~plain_sum(0, bytes, len);
}

bool plain_ip4_right(const uint8_t *frame, size_t l3)
{
	return plain_csum(frame + l3, (size_t)(frame[l3] & 15) * 4) == 0;
}

static uint32_t pseudo_sum(const uint8_t *frame, size_t l3, uint8_t proto, size_t len)
{
	bool ip6 = frame[l3] >> 4 == 6;
	uint32_t sum = (uint32_t)len + proto;

	return plain_sum(sum, frame + l3 + (ip6 ? 8 : 12), ip6 ? 32 : 8);
}

static uint8_t proto_of(const uint8_t *frame, size_t l3, size_t l4)
{
	if (frame[l3] >> 4 == 4)
		return frame[l3 + 9];
	return l4 == l3 + 40 ? frame[l3 + 6] : frame[l4 - 8];
}

bool plain_transport_right(const uint8_t *frame, size_t l3, size_t l4, size_t end)
{
	uint32_t sum = pseudo_sum(frame, l3, proto_of(frame, l3, l4), end - l4);

	return plain_sum(sum, frame + l4, end - l4) == 0xffff;
}

static void put_ethernet(struct out *o, const struct frame_spec *s)
{
	fill(o, 0x02, 6);
	fill(o, 0x04, 6);
	for (unsigned int i = 0; i < s->tags; i++) {
		put16(o, s->tags == 2 && i == 0 ? 0x88a8 : 0x8100);
		put16(o, 100 * (i + 1));
	}
	put16(o, s->ip6 ? 0x86dd : 0x0800);
}

static void put_ip4(struct out *o, const struct frame_spec *s, size_t transport)
{
	uint8_t *header = o->p;
	size_t len = 20 + s->ip4_options;
	uint16_t csum;

	put8(o, 0x40 | (unsigned int)len / 4);
	put8(o, 0);
	put16(o, len + transport);
	put16(o, s->ip4_id);
	put16(o, 0x4000);
	put8(o, 64);
	put8(o, s->proto);
	put16(o, 0);
	put32(o, s->turned ? 0x0a000002 : 0x0a000001);
	put32(o, s->turned ? 0x0a000001 : 0x0a000002);
	fill(o, 1, s->ip4_options);
	csum = plain_csum(header, len);
	header[10] = (uint8_t)(csum >> 8);
	header[11] = (uint8_t)csum;
}

static void put_ip6(struct out *o, const struct frame_spec *s, size_t transport)
{
	put32(o, 0x60000000);
	put16(o, transport + 8 * (size_t)s->ip6_options);
	put8(o, s->ip6_options ? 60 : s->proto);
	put8(o, 64);
	fill(o, s->turned ? 0xfe : 0xfd, 16);
	fill(o, s->turned ? 0xfd : 0xfe, 16);
	for (unsigned int i = 1; i <= s->ip6_options; i++) {
		put8(o, i < s->ip6_options ? 60 : s->proto);
		put8(o, 0);
		put8(o, 1);		/* PadN of four bytes */
		put8(o, 4);
		fill(o, 0, 4);
	}
}

static void put_transport(struct out *o, const struct frame_spec *s)
{
	put16(o, s->src_port);
	put16(o, s->dst_port);
	if (s->proto == SPEC_UDP) {
		put16(o, 8 + s->payload);
		put16(o, 0);
		return;
	}
	put32(o, s->seq);
	put32(o, s->ack);
	put8(o, (5 + s->tcp_options / 4) << 4);
	put8(o, s->tcp_flags);
	put16(o, s->window);
	put32(o, 0);
	fill(o, 1, s->tcp_options);
}

size_t spec_build(uint8_t *out, const struct frame_spec *s)
{
	struct out o = { out, out };
	size_t header = s->proto == SPEC_UDP ? 8 : 20 + s->tcp_options, l3, l4, field;
	uint16_t csum;

	put_ethernet(&o, s);
	l3 = (size_t)(o.p - o.start);
	if (s->ip6)
		put_ip6(&o, s, header + s->payload);
	else
		put_ip4(&o, s, header + s->payload);
	l4 = (size_t)(o.p - o.start);
	put_transport(&o, s);
	for (size_t i = 0; i < s->payload; i++)
		put8(&o, spec_payload(i));
	csum = (uint16_t)~plain_sum(pseudo_sum(out, l3, s->proto, header + s->payload), out + l4,
				    header + s->payload);
	field = l4 + (s->proto == SPEC_UDP ? 6 : 16);
	out[field] = (uint8_t)(csum >> 8);
	out[field + 1] = (uint8_t)csum;
	fill(&o, 0xee, s->padding);
	return (size_t)(o.p - o.start);
}
