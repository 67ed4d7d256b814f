/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frames.c - frames of every kind a splice may meet, made from a few words
 *
 * Runs in: the tests of the splice
 * Reads from: no untrusted input
 */
#include "tests/splice/frames.h"

#include <string.h>

#define TCP_BYTES 20
#define ICMP_QUOTE 8

const uint8_t mac_guest[ETH_ALEN] = { 0x52, 0x54, 0x00, 0x99, 0x00, 0x02 };
const uint8_t mac_router[ETH_ALEN] = { 0x02, 0x11, 0x22, 0x33, 0x44, 0x55 };
const uint8_t mac_other[ETH_ALEN] = { 0x02, 0x66, 0x77, 0x88, 0x99, 0xaa };

const struct frame_addrs addrs = {
	.guest = { { 10, 99, 0, 2 }, { 0x20, 1, 0xd, 0xb8, [15] = 2 } },
	.client = { { 10, 98, 0, 3 }, { 0x20, 1, 0xd, 0xb8, 0, 1, [15] = 3 } },
};

/* Where the frame grows, and where its outer headers are. */
struct writer {
	uint8_t *p;
	uint8_t *ip;
	uint8_t *payload;
};

static void put(struct writer *w, const void *bytes, size_t n)
{
	memcpy(w->p, bytes, n);
	w->p += n;
}

static void put8(struct writer *w, unsigned int v)
{
	*w->p++ = (uint8_t)v;
}

static void put16(struct writer *w, unsigned int v)
{
	put8(w, v >> 8);
	put8(w, v);
}

static void put32(struct writer *w, uint32_t v)
{
	put16(w, v >> 16);
	put16(w, v);
}

static void put_addr(struct writer *w, const struct frame_spec *f, bool guests, bool foreign)
{
	const uint8_t *addr = guests ? addrs.guest[f->ip6] : addrs.client[f->ip6];
	size_t len = f->ip6 ? 16 : 4;

	put(w, addr, len);
	if (foreign)
		w->p[-1] ^= 0x40;
}

static void put_addrs(struct writer *w, const struct frame_spec *f)
{
	put_addr(w, f, f->outgoing, f->foreign);
	put_addr(w, f, !f->outgoing, f->foreign_dest);
}

static void put_ethernet(struct writer *w, const struct frame_spec *f)
{
	unsigned int type = f->ip6 ? ETH_P_IPV6 : ETH_P_IP;

	put(w, f->to_mac ? f->to_mac : f->outgoing ? mac_router : mac_guest, ETH_ALEN);
	put(w, f->from_mac ? f->from_mac : f->outgoing ? mac_guest : mac_router, ETH_ALEN);
	for (unsigned int i = 0; i < f->tags; i++) {
		put16(w, i == 0 && f->tag_type ? f->tag_type : ETH_P_8021Q);
		put16(w, f->tag[i]);
	}
	put16(w, f->ether_type ? f->ether_type : type);
}

static void put_ip4(struct writer *w, const struct frame_spec *f, uint8_t protocol)
{
	unsigned int words = f->header_words ? f->header_words : 5;

	put8(w, (f->version ? f->version : 4u) << 4 | words);
	put8(w, 0);
	put16(w, words * 4 + TCP_BYTES);
	put16(w, f->id);
	put16(w, (f->more ? 0x2000u : 0) | f->offset);
	put8(w, 64);
	put8(w, protocol);
	put16(w, 0);
	put_addrs(w, f);
	for (unsigned int i = 5; i < words; i++)
		put32(w, 0x01010101);	/* four options that do nothing */
}

static void put_extension(struct writer *w, const struct frame_spec *f, uint8_t kind, uint8_t next)
{
	put8(w, next);
	if (kind == IPPROTO_FRAGMENT) {
		put8(w, 0);
		put16(w, (unsigned int)f->offset << 3 | f->more);
		put32(w, f->id);
		return;
	}
	put8(w, 1);			/* 16 bytes */
	put8(w, 0);
	put8(w, kind == IPPROTO_ROUTING ? f->segments_left : 0);
	put(w, (const uint8_t[12]){ 1, 10 }, 12);
}

static void put_ip6(struct writer *w, const struct frame_spec *f, uint8_t protocol)
{
	put32(w, (f->version ? f->version : 6u) << 28);
	put16(w, TCP_BYTES);
	put8(w, f->extensions ? f->extension[0] : protocol);
	put8(w, 64);
	put_addrs(w, f);
	for (unsigned int i = 0; i < f->extensions; i++)
		put_extension(w, f, f->extension[i],
			      i + 1 < f->extensions ? f->extension[i + 1] : protocol);
}

static void put_ip(struct writer *w, const struct frame_spec *f, uint8_t protocol)
{
	if (f->ip6)
		put_ip6(w, f, protocol);
	else
		put_ip4(w, f, protocol);
}

static void put_tcp(struct writer *w, const struct frame_spec *f)
{
	unsigned int guest = f->guest_port ? f->guest_port : CONN_PORT;
	unsigned int client = f->client_port ? f->client_port : CLIENT_PORT;

	put16(w, f->outgoing ? guest : client);
	put16(w, f->outgoing ? client : guest);
	put32(w, f->seq);
	put32(w, f->ack);
	put8(w, TCP_BYTES / 4 << 4);
	put8(w, f->flags ? f->flags : FRAME_ACK);
	put16(w, 1000);
	put32(w, 0);
}

/* An error and the segment it is about, which went the other way and met no trouble of its own. */
static void put_icmp(struct writer *w, const struct frame_spec *f)
{
	struct frame_spec quoted = { .ip6 = f->ip6, .outgoing = !f->outgoing,
				     .guest_port = f->guest_port, .client_port = f->client_port,
				     .header_words = f->header_words };
	size_t bytes = f->quoted_bytes ? f->quoted_bytes : TCP_BYTES;

	put8(w, f->icmp_type);
	put(w, (const uint8_t[ICMP_QUOTE - 1]){ 0 }, ICMP_QUOTE - 1);
	put_ip(w, &quoted, f->quoted_protocol ? f->quoted_protocol : IPPROTO_TCP);
	put_tcp(w, &quoted);
	w->p -= TCP_BYTES - bytes;
}

static uint32_t sum(const uint8_t *bytes, size_t n, uint32_t begun)
{
	for (size_t i = 0; i < n; i++)
		begun += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return begun;
}

static void set16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void set_sum(uint8_t *at, uint32_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	set16(at, ~total);
}

/* Lengths and checksums, so that a receiver takes what is meant to be right. */
static void finish(const struct writer *w, const struct frame_spec *f, const uint8_t *end)
{
	uint32_t len = (uint32_t)(end - w->payload);
	uint8_t *ip = w->ip;
	uint32_t pseudo = IPPROTO_TCP + len;

	if (f->ip6) {
		set16(ip + 4, (uint32_t)(end - ip) - 40);
		pseudo = sum(ip + 8, 32, pseudo);
	} else {
		set16(ip + 2, (uint32_t)(end - ip));
		set_sum(ip + 10, sum(ip, (size_t)(w->payload - ip), 0));
		pseudo = sum(ip + 12, 8, pseudo);
	}
	if (!f->icmp_type)
		set_sum(w->payload + 16, sum(w->payload, len, pseudo));
}

size_t frame_make(const struct frame_spec *f, uint8_t *frame)
{
	struct writer w = { .p = frame };
	uint8_t icmp = f->ip6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	uint8_t inner = f->icmp_type ? icmp : IPPROTO_TCP;
	size_t len;

	memset(frame, 0, FRAME_MAX);
	put_ethernet(&w, f);
	w.ip = w.p;
	put_ip(&w, f, f->protocol ? f->protocol : inner);
	w.payload = w.p;
	if (f->icmp_type)
		put_icmp(&w, f);
	else
		put_tcp(&w, f);
	len = (size_t)(w.p - frame);
	if (f->padded_to > len)
		len = f->padded_to;
	finish(&w, f, frame + len);
	return f->cut_to ? f->cut_to : len;
}
