/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice_read.bpf.c - a frame's headers, down to the ports of its segment or datagram
 *
 * Runs in: the kernel, in the programs of splice.bpf.c
 * Reads from: the guest, its peers and the twin (hostile): frames
 *
 * Headers are read where they lie; only those outside a frame's first part are copied.
 */
#include "twin/splice_read.bpf.h"

#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define HEADERS_END 1024		/* no header is looked for behind this */
#define EXTENSIONS_MAX 6
#define VLAN_ID 0x0fff			/* of a tag; the rest is priority */
#define IP4_MORE 0x2000			/* of frag_off */
#define IP4_OFFSET 0x1fff
#define IP6_MORE 0x0001
#define IP6_OFFSET 0xfff8
#define ICMP_DEST_UNREACH 3		/* <linux/icmp.h> pulls in libc's headers as well */
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12
#define ICMP_QUOTE 8			/* an ICMP error's own header, then what it is about */

struct ports {
	__be16 from;
	__be16 to;
};

struct tag {
	__be16 tci;
	__be16 inner;
};

struct extension {			/* what the walk needs of a header of IPv6 */
	__u8 next;
	__u8 words;			/* of 8 bytes, beyond the first; not of a fragment header */
	union {
		struct {
			__u8 routing_type;
			__u8 segments_left;
		};
		__be16 offset;		/* of a fragment header, and below it what follows */
	};
	__be32 id;
};

/* The bytes where they lie, or, when they are not in the frame's first part, a copy of them. */
static __always_inline const void *at(struct __sk_buff *skb, __u64 offset, void *copy, __u32 len)
{
	const void *p;

	if (offset > HEADERS_END)
		return NULL;
	p = (const void *)(long)skb->data + offset;
	if (p + len <= (const void *)(long)skb->data_end)
		return p;
	return bpf_skb_load_bytes(skb, (__u32)offset, copy, len) < 0 ? NULL : copy;
}

static __always_inline __u64 mac_number(const __u8 *mac)
{
	const __u16 *part = (const __u16 *)mac;

	return part[0] | (__u64)part[1] << 16 | (__u64)part[2] << 32;
}

/*
 * Find the network header of a frame that belongs to the network of @vlan; a tag may be in the
 * frame or beside it. Return: the EtherType (a second tag's is one, too), 0 for another network.
 */
static __always_inline __be16 network_header(struct __sk_buff *skb, __u32 vlan, struct packet *p)
{
	struct ethhdr eth_copy;
	struct tag tag_copy;
	const struct ethhdr *eth = at(skb, 0, &eth_copy, sizeof(eth_copy));
	const struct tag *tag;
	__be16 type;
	__u16 id = 0;

	if (!eth)
		return 0;
	p->to_mac = mac_number(eth->h_dest);
	p->from_mac = mac_number(eth->h_source);
	type = eth->h_proto;
	p->ip_at = sizeof(*eth);
	if (skb->vlan_present) {
		if (skb->vlan_proto != bpf_htons(ETH_P_8021Q))
			return 0;
		id = skb->vlan_tci & VLAN_ID;
		p->tags = 1;
	} else if (type == bpf_htons(ETH_P_8021Q)) {
		tag = at(skb, sizeof(*eth), &tag_copy, sizeof(tag_copy));
		if (!tag)
			return 0;
		id = bpf_ntohs(tag->tci) & VLAN_ID;
		type = tag->inner;
		p->ip_at += sizeof(*tag);
		p->tags = 1;
	}
	/* a tag with number 0 only carries a priority */
	return id == vlan ? type : 0;
}

/* Return: false if it cannot be read. */
static __always_inline bool read_ip4(struct __sk_buff *skb, __u64 offset, struct packet *p)
{
	struct iphdr copy;
	const struct iphdr *ip = at(skb, offset, &copy, sizeof(copy));
	__u16 pieces;

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return false;
	p->from = (struct splice_addr){ .family = AF_INET, .word = { ip->saddr } };
	p->to = (struct splice_addr){ .family = AF_INET, .word = { ip->daddr } };
	pieces = bpf_ntohs(ip->frag_off);
	p->more = pieces & IP4_MORE;
	p->later = pieces & IP4_OFFSET;
	p->id = ip->id;
	p->protocol = ip->protocol;
	p->plain = ip->ihl == 5;
	p->payload_at = (__u32)offset + ip->ihl * 4u;
	return true;
}

static __always_inline void copy_ip6(struct splice_addr *to, const struct in6_addr *from)
{
	to->family = AF_INET6;
	for (int i = 0; i < 4; i++)
		to->word[i] = from->in6_u.u6_addr32[i];
}

static __always_inline bool read_extension(struct __sk_buff *skb, struct packet *p)
{
	struct extension copy;
	const struct extension *x = at(skb, p->payload_at, &copy, sizeof(copy));
	__u32 len = sizeof(*x);

	if (!x)
		return false;
	if (p->protocol == IPPROTO_FRAGMENT) {
		p->more = bpf_ntohs(x->offset) & IP6_MORE;
		p->later = bpf_ntohs(x->offset) & IP6_OFFSET;
		p->id = x->id;
	} else {
		/* the address before a route's end is not the frame's destination */
		if (p->protocol == IPPROTO_ROUTING && x->segments_left)
			return false;
		len = (x->words + 1u) * 8;
	}
	p->protocol = x->next;
	p->payload_at += len;
	p->plain = false;
	return true;
}

static __always_inline bool is_extension(__u8 protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
	       protocol == IPPROTO_DSTOPTS || protocol == IPPROTO_FRAGMENT;
}

static __always_inline bool read_ip6(struct __sk_buff *skb, __u64 offset, struct packet *p)
{
	struct ipv6hdr copy;
	const struct ipv6hdr *ip = at(skb, offset, &copy, sizeof(copy));

	if (!ip || ip->version != 6)
		return false;
	copy_ip6(&p->from, &ip->saddr);
	copy_ip6(&p->to, &ip->daddr);
	p->protocol = ip->nexthdr;
	p->payload_at = (__u32)offset + sizeof(*ip);
	p->more = p->later = false;
	p->plain = true;
	/* unrolled: the verifier of Linux 6.1 takes no loop that a call leads back into */
#pragma unroll
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		/* behind a later piece's header there are no more headers */
		if (p->later || !is_extension(p->protocol))
			return true;
		if (!read_extension(skb, p))
			return false;
	}
	return p->later || !is_extension(p->protocol);
}

static __noinline bool read_ip(struct __sk_buff *skb, __u64 offset, struct packet *p)
{
	return p->from.family == AF_INET ? read_ip4(skb, offset, p) : read_ip6(skb, offset, p);
}

static __always_inline bool read_ports(struct __sk_buff *skb, struct packet *p)
{
	struct ports copy;
	const struct ports *ports = at(skb, p->payload_at, &copy, sizeof(copy));

	if (!ports)
		return false;
	p->from_port = ports->from;
	p->to_port = ports->to;
	return true;
}

static __always_inline bool read_tcp(struct __sk_buff *skb, struct packet *p)
{
	struct tcphdr copy;
	const struct tcphdr *tcp = at(skb, p->payload_at, &copy, sizeof(copy));

	if (!tcp)
		return false;
	p->from_port = tcp->source;
	p->to_port = tcp->dest;
	p->seq = bpf_ntohl(tcp->seq);
	p->data_at = p->payload_at + tcp->doff * 4;
	p->syn = tcp->syn;
	p->fin = tcp->fin;
	p->stray_rst = tcp->rst && !tcp->ack;
	return true;
}

static __always_inline bool is_error(const struct packet *p, __u8 type)
{
	if (p->from.family == AF_INET)
		return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED ||
		       type == ICMP_PARAMETERPROB;
	return type == ICMPV6_DEST_UNREACH || type == ICMPV6_PKT_TOOBIG ||
	       type == ICMPV6_TIME_EXCEED || type == ICMPV6_PARAMPROB;
}

/* What an error quotes went the other way; of its TCP header 8 bytes may be all there is. */
static __always_inline enum kind read_icmp(struct __sk_buff *skb, struct packet *p)
{
	__u8 copy;
	const __u8 *type = at(skb, p->payload_at, &copy, sizeof(copy));

	if (!type)
		return KIND_UNREAD;
	if (!is_error(p, *type))
		return KIND_OTHER;
	if (!read_ip(skb, p->payload_at + ICMP_QUOTE, p))
		return KIND_UNREAD;
	if (p->protocol != IPPROTO_TCP || p->later)
		return KIND_OTHER;
	if (!read_ports(skb, p))
		return KIND_UNREAD;
	turn_round(p);
	return KIND_ICMP;
}

static __always_inline enum kind read_pieces(struct __sk_buff *skb, struct packet *p)
{
	if (p->later)
		return p->protocol == IPPROTO_TCP || p->from.family == AF_INET6 ?
			KIND_LATER_PIECE : KIND_OTHER;
	if (p->protocol != IPPROTO_TCP)
		return KIND_OTHER;
	return read_ports(skb, p) ? KIND_FIRST_PIECE : KIND_UNREAD;
}

int splice_read(struct __sk_buff *skb, __u32 vlan, struct packet *p)
{
	__be16 type;

	if (!p)
		return KIND_OTHER;	/* the verifier knows no caller */
	type = network_header(skb, vlan, p);
	if (type == bpf_htons(ETH_P_IP))
		p->from.family = AF_INET;
	else if (type == bpf_htons(ETH_P_IPV6))
		p->from.family = AF_INET6;
	else
		return KIND_OTHER;
	if (!read_ip(skb, p->ip_at, p))
		return KIND_UNREAD;
	if (p->more || p->later)
		return read_pieces(skb, p);
	switch (p->protocol) {
	case IPPROTO_TCP:
		return read_tcp(skb, p) ? KIND_TCP : KIND_UNREAD;
	case IPPROTO_ICMP:
		return p->from.family == AF_INET ? read_icmp(skb, p) : KIND_OTHER;
	case IPPROTO_ICMPV6:
		return p->from.family == AF_INET6 ? read_icmp(skb, p) : KIND_OTHER;
	case IPPROTO_UDP:
		return read_ports(skb, p) ? KIND_UDP : KIND_OTHER;
	default:
		return KIND_OTHER;
	}
}
