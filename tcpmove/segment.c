/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * segment.c - a segment that a frozen socket did not hear, made a packet for its copy
 *
 * Runs in: hylics-worker
 * Reads from: a segment that came from a peer (hostile)
 *
 * A filter sees a segment before its checksum was looked at, so one that was damaged on its way is
 * among them, and must not become right here.
 */
#include "tcpmove/segment.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define HOPS 255

/* Sums are taken in the machine's byte order and stored as they are, which is right in either. */
static uint32_t add(uint32_t sum, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint16_t word;

	for (; len >= sizeof(word); len -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sum += word;
	}
	if (len) {
		word = 0;
		memcpy(&word, at, 1);
		sum += word;
	}
	return sum;
}

static uint16_t folded(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static size_t address_len(const struct tcp_record *ends)
{
	return ends->family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

/* Of what is summed in front of the segment. */
static uint16_t pseudo_sum(const struct tcp_record *ends, size_t len)
{
	const uint16_t tail[] = { htons((uint16_t)len), htons(IPPROTO_TCP) };
	uint32_t sum = add(0, ends->remote.addr, address_len(ends));

	return folded(add(add(sum, ends->local.addr, address_len(ends)), tail, sizeof(tail)));
}

/* Return: whether it is right, or was to be finished, and is right now */
static bool finish_sum(struct tcphdr *th, size_t len, uint16_t pseudo)
{
	uint16_t sum = folded(add(pseudo, th, len));

	if (sum == 0xffff)
		return true;
	if (th->check != pseudo)
		return false;
	th->check = 0;
	th->check = (uint16_t)~folded(add(pseudo, th, len));
	return true;
}

static bool fits(const struct tcp_record *ends, const struct tcphdr *th, size_t len)
{
	size_t header = (size_t)th->doff * 4;

	return header >= sizeof(*th) && header <= len && !th->syn && (th->ack || th->rst) &&
	       ntohs(th->source) == ends->remote.port && ntohs(th->dest) == ends->local.port;
}

static size_t write_v4(const struct tcp_record *ends, size_t len, uint8_t *out)
{
	struct iphdr ip = { .version = 4, .ihl = sizeof(ip) / 4, .ttl = HOPS,
			    .tot_len = htons((uint16_t)(sizeof(ip) + len)),
			    .frag_off = htons(IP_DF), .protocol = IPPROTO_TCP };

	memcpy(&ip.saddr, ends->remote.addr, sizeof(ip.saddr));
	memcpy(&ip.daddr, ends->local.addr, sizeof(ip.daddr));
	ip.check = (uint16_t)~folded(add(0, &ip, sizeof(ip)));
	memcpy(out, &ip, sizeof(ip));
	return sizeof(ip);
}

static size_t write_v6(const struct tcp_record *ends, size_t len, uint8_t *out)
{
	struct ip6_hdr ip = { .ip6_flow = htonl(6u << 28), .ip6_plen = htons((uint16_t)len),
			      .ip6_nxt = IPPROTO_TCP, .ip6_hops = HOPS };

	memcpy(&ip.ip6_src, ends->remote.addr, sizeof(ip.ip6_src));
	memcpy(&ip.ip6_dst, ends->local.addr, sizeof(ip.ip6_dst));
	memcpy(out, &ip, sizeof(ip));
	return sizeof(ip);
}

int segment_packet(const struct tcp_record *ends, const uint8_t *segment, size_t len, uint8_t *out)
{
	struct tcphdr head;
	size_t at;

	if (len < sizeof(head) || len > HY_LATE_MAX ||
	    (ends->family != AF_INET && ends->family != AF_INET6))
		return -EPROTO;
	memcpy(&head, segment, sizeof(head));
	if (!fits(ends, &head, len))
		return -EPROTO;
	at = ends->family == AF_INET ? write_v4(ends, len, out) : write_v6(ends, len, out);
	memcpy(out + at, segment, len);
	if (!finish_sum((struct tcphdr *)(void *)(out + at), len, pseudo_sum(ends, len)))
		return -EPROTO;
	return (int)(at + len);
}
