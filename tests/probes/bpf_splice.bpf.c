/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bpf_splice.bpf.c - the splice of a twin onto a guest's edge, as far as the probe needs it
 *
 * Runs in: the kernel, at the clsact hooks of the guest's edge and of the twin's veth
 * Reads from: the guest and its peers (hostile): frames
 *
 * IPv4 without options and whole TCP segments only; every other frame goes the plain way.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "tests/probes/bpf_splice.h"

#define HEADERS (sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct tcphdr))
#define NOT_FIRST_OR_NOT_LAST 0x3fff	/* of frag_off: more fragments, or an offset */
#define IP_HEADER_WORDS 5
#define MARK_FROM_TWIN 0x48795350	/* only between the redirect and the edge's ingress hook */

struct hop {
	__u8 mac[ETH_ALEN];
	__u8 pad[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __be32);
	__type(value, struct hop);
} hops SEC(".maps");

const volatile __u8 guest_mac[ETH_ALEN];
const volatile __be32 guest_addr;
const volatile __u32 edge_ifindex;
const volatile __u32 twin_ifindex;
const volatile __u32 twin_netns;
volatile bool listeners_count;
volatile __u64 count[SPLICE_COUNTS];

struct headers {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

static void add_one(enum splice_count what)
{
	__sync_fetch_and_add(&count[what], 1);
}

/* The headers, or NULL if the frame is not a whole TCP segment in plain IPv4. */
static __always_inline struct headers *parse(struct __sk_buff *skb)
{
	struct headers *h = (void *)(long)skb->data;

	if ((void *)(h + 1) > (void *)(long)skb->data_end) {
		if (bpf_skb_pull_data(skb, HEADERS) < 0)
			return NULL;
		h = (void *)(long)skb->data;
		if ((void *)(h + 1) > (void *)(long)skb->data_end)
			return NULL;
	}
	if (h->eth.h_proto != bpf_htons(ETH_P_IP) || h->ip.ihl != IP_HEADER_WORDS ||
	    h->ip.protocol != IPPROTO_TCP || (h->ip.frag_off & bpf_htons(NOT_FIRST_OR_NOT_LAST)))
		return NULL;
	return h;
}

/* Does the twin have a socket for this remote end and this end of the guest's? */
static __always_inline bool lives_in_twin(struct __sk_buff *skb, struct bpf_sock_tuple *tuple)
{
	struct bpf_sock *sk;
	bool lives;

	sk = bpf_skc_lookup_tcp(skb, tuple, sizeof(tuple->ipv4), twin_netns, 0);
	if (!sk)
		return false;
	lives = sk->state != BPF_TCP_LISTEN || listeners_count;
	bpf_sk_release(sk);
	return lives;
}

static __always_inline void learn_hop(const struct headers *h)
{
	struct hop hop = { 0 };
	__be32 remote = h->ip.saddr;

	__builtin_memcpy(hop.mac, h->eth.h_source, ETH_ALEN);
	bpf_map_update_elem(&hops, &remote, &hop, BPF_ANY);
}

SEC("tc")
int to_guest(struct __sk_buff *skb)
{
	struct bpf_sock_tuple tuple = { 0 };
	struct headers *h = parse(skb);

	if (!h)
		return TC_ACT_OK;
	learn_hop(h);
	tuple.ipv4.saddr = h->ip.saddr;
	tuple.ipv4.sport = h->tcp.source;
	tuple.ipv4.daddr = h->ip.daddr;
	tuple.ipv4.dport = h->tcp.dest;
	if (!lives_in_twin(skb, &tuple)) {
		add_one(TO_GUEST);
		return TC_ACT_OK;
	}
	add_one(TO_TWIN);
	return bpf_redirect(twin_ifindex, 0);
}

static __always_inline bool is_guests(const struct headers *h)
{
	for (int i = 0; i < ETH_ALEN; i++)
		if (h->eth.h_source[i] != guest_mac[i])
			return false;
	return h->ip.saddr == guest_addr;
}

static __always_inline int drop(enum splice_count why)
{
	add_one(why);
	return TC_ACT_SHOT;
}

SEC("tc")
int from_twin(struct __sk_buff *skb)
{
	struct headers *h = parse(skb);
	struct hop *hop;
	__be32 remote;

	if (!h)
		return drop(DROP_OTHER);
	if (!is_guests(h))
		return drop(DROP_FOREIGN);
	remote = h->ip.daddr;
	hop = bpf_map_lookup_elem(&hops, &remote);
	if (!hop)
		return drop(DROP_NO_HOP);
	bpf_skb_store_bytes(skb, 0, hop->mac, ETH_ALEN, 0);
	skb->mark = MARK_FROM_TWIN;
	add_one(FROM_TWIN);
	return bpf_redirect(edge_ifindex, BPF_F_INGRESS);
}

SEC("tc")
int from_guest(struct __sk_buff *skb)
{
	struct bpf_sock_tuple tuple = { 0 };
	struct headers *h;

	if (skb->mark == MARK_FROM_TWIN) {
		skb->mark = 0;
		add_one(REENTERED);
		return TC_ACT_OK;
	}
	h = parse(skb);
	if (!h)
		return TC_ACT_OK;
	tuple.ipv4.saddr = h->ip.daddr;
	tuple.ipv4.sport = h->tcp.dest;
	tuple.ipv4.daddr = h->ip.saddr;
	tuple.ipv4.dport = h->tcp.source;
	return lives_in_twin(skb, &tuple) ? drop(DROP_LATE) : TC_ACT_OK;
}

char gpl[] SEC("license") = "GPL";
