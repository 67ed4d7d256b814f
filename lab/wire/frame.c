/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frame.c - what is in an Ethernet frame: addresses, ports, TCP flags, where the payload is
 *
 * Runs in: hylics-wire
 * Reads from: the machines on both ends of the wire (hostile)
 *
 * DOC: Three cursors
 *
 * Each layer gets a cursor that ends where the layer outside says it ends, so an IP total length
 * cannot reach into Ethernet padding and a UDP length cannot pass the datagram. IPv6 extension
 * headers are followed to a fixed depth.
 */
#include "lab/wire/frame.h"

#include <string.h>

#include "common/cursor.h"
#include "lab/wire/wire_limits.h"

enum {
	ETHERTYPE_IP4 = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_IP6 = 0x86dd,
	ETHERTYPE_QINQ = 0x88a8,
	MAC_PAIR_LEN = 12,
	VLAN_NUMBER_MASK = 0x0fff,
	IP4_OFFSET_MASK = 0x1fff,
	IP4_MORE_FRAGMENTS = 0x2000,
	IP6_MORE_FRAGMENTS = 0x0001,
	IP6_OFFSET_MASK = 0xfff8,
};

/* IPv6 header types that stand between the fixed header and the transport. */
enum { EXT_HOP_BY_HOP = 0, EXT_ROUTING = 43, EXT_FRAGMENT = 44, EXT_AUTH = 51, EXT_OPTIONS = 60,
       EXT_MOBILITY = 135 };

static uint16_t rd_be16(struct hy_rd *r)
{
	const uint8_t *p = hy_rd_take(r, 2);

	return (uint16_t)(p ? p[0] << 8 | p[1] : 0);
}

static uint32_t rd_be32(struct hy_rd *r)
{
	uint32_t high = rd_be16(r);

	return high << 16 | rd_be16(r);
}

static uint32_t offset_of(const struct hy_rd *r, const uint8_t *bytes)
{
	return (uint32_t)(r->p - bytes);
}

static void fail(struct frame_info *f)
{
	f->malformed = true;
	f->class = FRAME_OTHER;
}

/* The rest of the datagram is payload from here on. */
static void payload_here(struct frame_info *f, const struct hy_rd *r, const uint8_t *bytes)
{
	f->payload = offset_of(r, bytes);
	f->payload_len = (uint32_t)r->left;
}

static enum frame_class tcp_class(const struct frame_info *f)
{
	if (f->tcp_flags & (FRAME_TCP_SYN | FRAME_TCP_FIN | FRAME_TCP_RST))
		return FRAME_TCP_CONTROL;
	return f->payload_len ? FRAME_TCP_DATA : FRAME_TCP_PURE_ACK;
}

static void parse_tcp(struct hy_rd r, const uint8_t *bytes, struct frame_info *f)
{
	size_t header;

	f->src_port = rd_be16(&r);
	f->dst_port = rd_be16(&r);
	f->seq = rd_be32(&r);
	f->ack = rd_be32(&r);
	header = (size_t)(hy_rd_u8(&r) >> 4) * 4;
	f->tcp_flags = hy_rd_u8(&r);
	f->window = rd_be16(&r);
	hy_rd_take(&r, 4);		/* checksum, urgent pointer */
	if (header < FRAME_TCP_LEN || !hy_rd_take(&r, header - FRAME_TCP_LEN)) {
		fail(f);
		return;
	}
	payload_here(f, &r, bytes);
	f->class = tcp_class(f);
}

static void parse_udp(struct hy_rd r, const uint8_t *bytes, struct frame_info *f)
{
	size_t len;

	f->src_port = rd_be16(&r);
	f->dst_port = rd_be16(&r);
	len = rd_be16(&r);
	hy_rd_take(&r, 2);		/* checksum */
	if (r.bad || len < FRAME_UDP_LEN || len - FRAME_UDP_LEN > r.left) {
		fail(f);
		return;
	}
	r.left = len - FRAME_UDP_LEN;
	payload_here(f, &r, bytes);
	f->class = FRAME_UDP;
}

static void parse_transport(struct hy_rd *r, const uint8_t *bytes, struct frame_info *f)
{
	f->l4 = offset_of(r, bytes);
	payload_here(f, r, bytes);
	switch (f->proto) {
	case FRAME_PROTO_TCP:
		parse_tcp(*r, bytes, f);
		break;
	case FRAME_PROTO_UDP:
		parse_udp(*r, bytes, f);
		break;
	case FRAME_PROTO_ICMP:
	case FRAME_PROTO_ICMP6:
		f->class = FRAME_ICMP;
		break;
	default:
		break;
	}
}

static void parse_fragment(const struct hy_rd *r, const uint8_t *bytes, struct frame_info *f)
{
	f->l4 = offset_of(r, bytes);
	payload_here(f, r, bytes);
	f->class = FRAME_FRAGMENT;
}

static void take_addresses(struct hy_rd *r, size_t size, struct frame_info *f)
{
	const uint8_t *src = hy_rd_take(r, size);
	const uint8_t *dst = hy_rd_take(r, size);

	if (!src || !dst)
		return;
	memcpy(f->src, src, size);
	memcpy(f->dst, dst, size);
}

static void parse_ip4(struct hy_rd *r, const uint8_t *bytes, struct frame_info *f)
{
	uint8_t version_len = hy_rd_u8(r);
	size_t header = (size_t)(version_len & 0x0f) * 4, total;
	uint16_t fragment;

	hy_rd_u8(r);			/* type of service */
	total = rd_be16(r);
	rd_be16(r);			/* identification */
	fragment = rd_be16(r);
	hy_rd_u8(r);			/* time to live */
	f->proto = hy_rd_u8(r);
	rd_be16(r);			/* header checksum */
	take_addresses(r, 4, f);
	if (r->bad || version_len >> 4 != 4 || header < FRAME_IP4_LEN || total < header ||
	    total - FRAME_IP4_LEN > r->left) {
		fail(f);
		return;
	}
	r->left = total - FRAME_IP4_LEN;
	hy_rd_take(r, header - FRAME_IP4_LEN);
	if (fragment & (IP4_OFFSET_MASK | IP4_MORE_FRAGMENTS))
		parse_fragment(r, bytes, f);
	else
		parse_transport(r, bytes, f);
}

static bool is_extension(uint8_t type)
{
	return type == EXT_HOP_BY_HOP || type == EXT_ROUTING || type == EXT_FRAGMENT ||
	       type == EXT_AUTH || type == EXT_OPTIONS || type == EXT_MOBILITY;
}

/* Takes one extension header; *fragment is set if the datagram is only a part. */
static void take_extension(struct hy_rd *r, struct frame_info *f, bool *fragment)
{
	uint8_t type = f->proto, len;
	uint16_t offset;

	f->proto = hy_rd_u8(r);
	len = hy_rd_u8(r);
	if (type == EXT_FRAGMENT) {
		offset = rd_be16(r);
		hy_rd_take(r, 4);	/* identification */
		*fragment = (offset & (IP6_OFFSET_MASK | IP6_MORE_FRAGMENTS)) != 0;
	} else if (type == EXT_AUTH) {
		/* Counted in words of four, and two of them are not counted. */
		hy_rd_take(r, ((size_t)len + 2) * 4 - 2);
	} else {
		hy_rd_take(r, ((size_t)len + 1) * 8 - 2);
	}
}

static void parse_ip6(struct hy_rd *r, const uint8_t *bytes, struct frame_info *f)
{
	uint32_t version = rd_be32(r) >> 28;
	size_t len = rd_be16(r);
	bool fragment = false;

	f->proto = hy_rd_u8(r);
	hy_rd_u8(r);			/* hop limit */
	take_addresses(r, 16, f);
	if (r->bad || version != 6 || len > r->left) {
		fail(f);
		return;
	}
	r->left = len;
	for (int i = 0; is_extension(f->proto) && !fragment; i++) {
		if (i == WIRE_IP6_HEADERS_MAX) {
			fail(f);
			return;
		}
		take_extension(r, f, &fragment);
	}
	if (r->bad)
		fail(f);
	else if (fragment)
		parse_fragment(r, bytes, f);
	else
		parse_transport(r, bytes, f);
}

static uint16_t take_tags(struct hy_rd *r, struct frame_info *f)
{
	uint16_t type = rd_be16(r), control;

	while ((type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ) && f->tags < WIRE_VLAN_TAGS_MAX) {
		control = rd_be16(r);
		if (f->tags++ == 0)
			f->vlan = control & VLAN_NUMBER_MASK;
		type = rd_be16(r);
	}
	return type;
}

void frame_parse(const uint8_t *bytes, size_t len, struct frame_info *f)
{
	struct hy_rd r = { .p = bytes, .left = len };
	uint16_t type;

	memset(f, 0, sizeof(*f));
	hy_rd_take(&r, MAC_PAIR_LEN);
	type = take_tags(&r, f);
	f->l3 = f->l4 = offset_of(&r, bytes);
	payload_here(f, &r, bytes);
	if (r.bad) {
		fail(f);
		return;
	}
	switch (type) {
	case ETHERTYPE_IP4:
		f->net = FRAME_NET_IP4;
		parse_ip4(&r, bytes, f);
		break;
	case ETHERTYPE_IP6:
		f->net = FRAME_NET_IP6;
		parse_ip6(&r, bytes, f);
		break;
	case ETHERTYPE_ARP:
		f->net = FRAME_NET_ARP;
		break;
	default:
		break;
	}
}
