/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice.bpf.c - the splice of a twin onto a guest's edge: who gets a frame, and as whom one leaves
 *
 * Runs in: the kernel, at the clsact hooks of the guest's edge and of the veth's end on the host
 * Reads from: the guest, its peers and the twin (hostile): frames
 *
 * DOC: the three programs
 *
 *	host --> hy_to_guest ----------------------------------> edge, guest
 *	              | a socket of the twin has the connection
 *	              +--> veth --> twin
 *
 *	guest --> edge --> hy_from_guest --> host
 *	                    ^         | drops what the guest says on a connection of the twin's
 *	                    | marked  +--> (remembers the guest's next hops)
 *	twin --> veth --> hy_from_twin
 *	                    | drops all but TCP, and UDP from the ports of casts, from the
 *	                    | guest's MAC and addresses
 *
 * Nothing is installed per connection: that the socket exists in the twin is the rule, and whether
 * it is worth while to look for one a hint (splice_map.h). What is not
 * redirected or dropped is handed on untouched (TC_ACT_UNSPEC), so that filters of others behind
 * ours see it. A frame that cannot be read to its ports is the guest's, and so is every datagram.
 *
 * DOC: next hops
 *
 * The twin has no neighbour table. Whom the guest itself sent its frames for a remote address to
 * is remembered, from its own frames: a neighbour cannot forge them. While all of them go to one
 * and the same, which is the rule, that one is remembered and no address. A connection of the twin
 * keeps a copy with its socket, out of the reach of those who fill the table by scanning. When the
 * connection's frames begin to come from another MAC, the path has changed and the answer follows.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "common/limits.h"
#include "twin/splice_map.h"
#include "twin/splice_read.bpf.h"

#define MARK_FROM_TWIN 0x48795350	/* only between the redirect and the edge's own hook */

const volatile __u32 edge_ifindex;
const volatile __u32 veth_ifindex;
const volatile __u32 twin_netns;
const volatile __u64 guest_mac;
const volatile __u16 edge_vlan;
const volatile bool edge_is_macvtap;

/* MACs are numbers here: six bytes in the order of the wire, two of zero; 0 is unknown. */
struct hop {
	__u64 to;			/* where frames for the remote address go */
	__u64 from;			/* where its frames came from when last looked at */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, HY_SPLICE_HOPS_MAX);
	__type(key, struct splice_addr);
	__type(value, struct hop);
} hops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct hop);
} socket_hops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HY_TWIN_ADDRS_MAX);
	__type(key, struct splice_addr);
	__type(value, __u32);
} addresses SEC(".maps");

/* Datagrams in pieces whose first piece went to the twin. */
struct pieces {
	struct splice_addr from;
	struct splice_addr to;
	__u32 id;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, HY_SPLICE_PIECES_MAX);
	__type(key, struct pieces);
	__type(value, __u32);
} twin_pieces SEC(".maps");

/* Both ends of a connection, the remote one first. */
struct ends {
	struct splice_addr from;
	struct splice_addr to;
	__be16 from_port;
	__be16 to_port;
};

/* The guest's new connections with the ends of one that the twin remembers in TIME_WAIT. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, HY_SPLICE_REBORN_MAX);
	__type(key, struct ends);
	__type(value, __u32);
} reborn SEC(".maps");

/* Connections that the twin was the last to close, and the number behind its FIN. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, HY_SPLICE_CLOSED_MAX);
	__type(key, struct ends);
	__type(value, __u32);
} closed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SPLICE_COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

/* What the twin's sockets may be of; one for all NICs of a guest. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct splice_present);
} present SEC(".maps");

/*
 * The next hop of the first frame the guest sent here, and whether there was ever another one. As
 * long as there was not it is that of every address, so that none has to be remembered.
 */
__u64 first_hop;
bool several_hops;

static __always_inline void add_one(enum splice_count what)
{
	__u32 key = what;
	__u64 *count = bpf_map_lookup_elem(&counts, &key);

	if (count)
		(*count)++;
}

static __always_inline int drop(enum splice_count why)
{
	add_one(why);
	return TC_ACT_SHOT;
}

/* Bits that travel in 64-bit words; the remainders are for the verifier. */
static __always_inline bool has_bit(const __u64 *word, __u32 words, __u32 bit)
{
	return word[bit / 64 % words] >> bit % 64 & 1;
}

/* Whether a datagram of the twin's is of a cast. */
static __always_inline bool is_cast(const struct packet *p)
{
	__u32 key = 0;
	const struct splice_present *known = bpf_map_lookup_elem(&present, &key);

	return known && has_bit(known->cast, SPLICE_PORTS / 64, p->from_port);
}

static __always_inline bool is_port(const struct splice_present *known, __u16 port)
{
	return has_bit(known->port, SPLICE_PORTS / 64, port);
}

/* Whether the twin may have a socket for a segment that came for it: false is certain. */
static __always_inline bool may_have(const struct packet *p)
{
	__u32 bit = splice_present_bit(&p->from, p->from_port, p->to_port), key = 0;
	const struct splice_present *known = bpf_map_lookup_elem(&present, &key);

	if (!known || !known->kept || is_port(known, p->to_port))
		return true;
	return has_bit(known->word, SPLICE_PRESENT_BITS / 64, bit);
}

/* The twin's socket for a segment that came for it; to be released. */
static __always_inline struct bpf_sock *find(struct __sk_buff *skb, const struct packet *p,
					     __be16 from_port)
{
	struct bpf_sock_tuple tuple = { 0 };

	if (p->from.family == AF_INET) {
		tuple.ipv4.saddr = p->from.word[0];
		tuple.ipv4.daddr = p->to.word[0];
		tuple.ipv4.sport = from_port;
		tuple.ipv4.dport = p->to_port;
		return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), twin_netns, 0);
	}
	for (int i = 0; i < 4; i++) {
		tuple.ipv6.saddr[i] = p->from.word[i];
		tuple.ipv6.daddr[i] = p->to.word[i];
	}
	tuple.ipv6.sport = from_port;
	tuple.ipv6.dport = p->to_port;
	return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), twin_netns, 0);
}

static __always_inline bool is_twins(const struct splice_addr *addr)
{
	return bpf_map_lookup_elem(&addresses, addr) != NULL;
}

/* Whether a listener of the twin's at the segment's port is to get new connections. */
static __always_inline bool is_modules(const struct packet *p)
{
	__u32 key = 0;
	const struct splice_present *known = bpf_map_lookup_elem(&present, &key);

	return known && is_port(known, p->to_port);
}

/*
 * A listening socket may have promised a connection without remembering it. Every other segment
 * that finds only a listener is of a connection that the guest had before the twin listened.
 */
static __noinline bool is_cookie(struct __sk_buff *skb, struct bpf_sock *sk,
				 const struct packet *p)
{
	__u32 ip_len = p->from.family == AF_INET ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	struct ipv6hdr ip = { 0 };
	struct tcphdr tcp;

	if (bpf_skb_load_bytes(skb, p->ip_at, &ip, ip_len) < 0 ||
	    bpf_skb_load_bytes(skb, p->payload_at, &tcp, sizeof(tcp)) < 0)
		return false;
	return bpf_tcp_check_syncookie(sk, &ip, sizeof(ip), &tcp, sizeof(tcp)) == 0;
}

static __always_inline bool is_served(struct __sk_buff *skb, struct bpf_sock *sk,
				      const struct packet *p)
{
	return is_modules(p) && is_twins(&p->to) && (p->syn || is_cookie(skb, sk, p));
}

/* A SYN that met a connection's last remains: the port 0, nobody's, leaves only listeners. */
static __always_inline bool has_listener(struct __sk_buff *skb, const struct packet *p)
{
	struct bpf_sock *sk = is_modules(p) ? find(skb, p, 0) : NULL;
	bool has;

	if (!sk)
		return false;
	has = sk->state == BPF_TCP_LISTEN && is_twins(&p->to);
	bpf_sk_release(sk);
	return has;
}

static __always_inline void learn(const struct splice_addr *remote, __u64 to, __u64 from)
{
	struct hop hop = { .to = to, .from = from };

	bpf_map_update_elem(&hops, remote, &hop, BPF_ANY);
	add_one(SPLICE_HOP_NEW);
}

/* Of a broadcast, or of a group: no next hop. */
static __always_inline bool is_group(__u64 mac)
{
	return *(const __u8 *)&mac & 1;
}

/* The guest itself has sent a frame for @remote to @mac. */
static __always_inline void learn_guests(const struct splice_addr *remote, __u64 mac)
{
	struct hop *hop;

	if (is_group(mac))
		return;
	if (mac == first_hop && !several_hops)
		return;
	if (!first_hop)
		first_hop = mac;
	else if (first_hop != mac)
		several_hops = true;
	hop = bpf_map_lookup_elem(&hops, remote);
	if (!hop || hop->to != mac)
		learn(remote, mac, hop ? hop->from : 0);
}

/* Where the guest sends what is for an address, 0 if that is not known. */
static __always_inline __u64 guests_hop(const struct hop *known)
{
	if (known && known->to)
		return known->to;
	return several_hops ? 0 : first_hop;
}

/* A frame for the twin has come from @mac; @hop is what is known of its connection. */
static __always_inline void follow(struct hop *hop, const struct splice_addr *remote, __u64 mac)
{
	__u64 before = hop->from;

	if (before == mac)
		return;
	hop->from = mac;
	if (!before && !hop->to)
		hop->to = guests_hop(bpf_map_lookup_elem(&hops, remote));
	if (before || !hop->to)
		hop->to = mac;
	learn(remote, hop->to, mac);
}

/* The same where the connection has no socket of its own yet. */
static __always_inline void follow_new(const struct splice_addr *remote, __u64 mac)
{
	struct hop *known = bpf_map_lookup_elem(&hops, remote);

	if (known && known->from == mac)
		return;
	learn(remote, known && known->to && !known->from ? known->to : mac, mac);
}

/* Where a connection keeps its hop, NULL if its socket is none of its own or not whole. */
static __always_inline struct hop *hop_of(struct bpf_sock *sk, __u64 flags)
{
	struct bpf_sock *full;

	if (sk->state == BPF_TCP_LISTEN)
		return NULL;
	full = bpf_sk_fullsock(sk);
	return full ? bpf_sk_storage_get(&socket_hops, full, NULL, flags) : NULL;
}

static __always_inline struct ends ends_of(const struct packet *p)
{
	struct ends ends = { .from = p->from, .to = p->to, .from_port = p->from_port,
			     .to_port = p->to_port };

	return ends;
}

/*
 * The twin remembers a connection in TIME_WAIT, so that what comes late is answered there and not
 * by a RST of the guest's. A SYN begins a new one, which is the guest's, and so is all that
 * follows, until that one lives in the twin in its turn.
 */
static __always_inline bool is_late(const struct packet *p, bool syn)
{
	struct ends ends = ends_of(p);
	__u32 one = 1;

	if (!syn)
		return !bpf_map_lookup_elem(&reborn, &ends);
	bpf_map_update_elem(&reborn, &ends, &one, BPF_ANY);
	return false;
}

/* A connection of the twin's whose first frame this is: the guest has none with its ends. */
static __always_inline void begin_hop(const struct hop *hop, const struct packet *p)
{
	struct ends ends = ends_of(p);

	if (!hop->to)
		bpf_map_delete_elem(&reborn, &ends);
}

/* Does a connection of the twin's own, not a listener, have these ends? */
static __always_inline bool has_connection(const struct bpf_sock *sk, const struct packet *p,
					   bool syn)
{
	switch (sk->state) {
	case BPF_TCP_LISTEN:
	case BPF_TCP_CLOSE:
		return false;
	case BPF_TCP_TIME_WAIT:
		return is_late(p, syn);
	default:
		return true;
	}
}

/*
 * Who closes last has no TIME_WAIT: its socket is gone with the first acknowledgement of its FIN. A
 * second one (the first was doubled, or answers what the FIN has overtaken) meets nobody here, is
 * the guest's, and would be answered by a RST of the guest's.
 */
static __always_inline void note_end(struct __sk_buff *skb, const struct bpf_sock *sk,
				     const struct packet *p)
{
	struct ends ends = ends_of(p);
	__u32 end = p->seq + (skb->len - p->data_at) + 1;

	if (p->fin && sk->state == BPF_TCP_LAST_ACK)
		bpf_map_update_elem(&closed, &ends, &end, BPF_ANY);
}

/* Such a RST: both sides have closed, and its receiver has acknowledged all there was. */
static __always_inline bool is_behind_end(const struct packet *p)
{
	struct ends ends = ends_of(p);
	__u32 *end = p->stray_rst ? bpf_map_lookup_elem(&closed, &ends) : NULL;

	return end && *end == p->seq;
}

/* Whether a segment is for the twin; then where it came from is remembered. */
static __always_inline bool is_for_twin(struct __sk_buff *skb, const struct packet *p)
{
	struct bpf_sock *sk = find(skb, p, p->from_port);
	struct hop *hop;
	bool wanted;

	if (!sk)
		return false;
	if (sk->state == BPF_TCP_TIME_WAIT && p->syn) {
		bpf_sk_release(sk);
		return has_listener(skb, p) || is_late(p, true);
	}
	if (sk->state == BPF_TCP_LISTEN)
		wanted = is_served(skb, sk, p);
	else
		wanted = has_connection(sk, p, p->syn);
	if (wanted) {
		hop = hop_of(sk, BPF_SK_STORAGE_GET_F_CREATE);
		if (hop) {
			begin_hop(hop, p);
			follow(hop, &p->from, p->from_mac);
		} else {
			follow_new(&p->from, p->from_mac);
		}
	}
	bpf_sk_release(sk);
	return wanted;
}

/* Whether the ends are those of a connection in the twin, whatever this frame is. */
static __always_inline bool is_connected(struct __sk_buff *skb, const struct packet *p, bool syn)
{
	struct bpf_sock *sk = find(skb, p, p->from_port);
	bool connected;

	if (!sk)
		return false;
	connected = has_connection(sk, p, syn);
	bpf_sk_release(sk);
	return connected;
}

/* The twin's end knows no VLAN: its frames come and go without a tag. */
static __always_inline int give_to_twin(struct __sk_buff *skb, const struct packet *p,
					enum splice_count what)
{
	struct packet bare = { 0 };

	if (p->tags && (bpf_skb_vlan_pop(skb) < 0 || splice_read(skb, 0, &bare) == KIND_OTHER ||
			bare.tags))
		return drop(SPLICE_UNREAD_TO_GUEST);
	add_one(what);
	return bpf_redirect(veth_ifindex, 0);
}

static __always_inline int leave_to_guest(enum splice_count what)
{
	add_one(what);
	return TC_ACT_UNSPEC;
}

static __always_inline int first_piece(struct __sk_buff *skb, const struct packet *p)
{
	struct pieces pieces = { .from = p->from, .to = p->to, .id = p->id };
	__u32 one = 1;

	if (!is_connected(skb, p, false)) {
		/* the number may have been one of the twin's before */
		bpf_map_delete_elem(&twin_pieces, &pieces);
		return leave_to_guest(SPLICE_FRAGMENT_TO_GUEST);
	}
	bpf_map_update_elem(&twin_pieces, &pieces, &one, BPF_ANY);
	return give_to_twin(skb, p, SPLICE_FRAGMENT_TO_TWIN);
}

static __always_inline int later_piece(struct __sk_buff *skb, const struct packet *p)
{
	struct pieces pieces = { .from = p->from, .to = p->to, .id = p->id };

	if (bpf_map_lookup_elem(&twin_pieces, &pieces))
		return give_to_twin(skb, p, SPLICE_FRAGMENT_TO_TWIN);
	return p->protocol == IPPROTO_TCP ? leave_to_guest(SPLICE_FRAGMENT_TO_GUEST) :
					    TC_ACT_UNSPEC;
}

SEC("tc")
int hy_to_guest(struct __sk_buff *skb)
{
	struct packet p = { 0 };
	int kind = splice_read(skb, edge_vlan, &p);

	/* broadcasts, and what a bridge floods, are not for the guest's card alone */
	if (p.to_mac != guest_mac)
		return TC_ACT_UNSPEC;
	switch (kind) {
	case KIND_TCP:
		if (may_have(&p) && is_for_twin(skb, &p))
			return give_to_twin(skb, &p, SPLICE_TO_TWIN);
		return TC_ACT_UNSPEC;
	case KIND_ICMP:
		if (is_connected(skb, &p, false))
			return give_to_twin(skb, &p, SPLICE_ICMP_TO_TWIN);
		return TC_ACT_UNSPEC;
	case KIND_FIRST_PIECE:
		return first_piece(skb, &p);
	case KIND_LATER_PIECE:
		return later_piece(skb, &p);
	case KIND_UNREAD:
		return leave_to_guest(SPLICE_UNREAD_TO_GUEST);
	default:
		return TC_ACT_UNSPEC;
	}
}

/*
 * Where the guest sends what is for an address, 0 if it has sent nothing yet. What it sent to an
 * address of which nothing is remembered went where its first frame did.
 */
static __always_inline __u64 known_hop(const struct splice_addr *remote)
{
	const struct hop *known = bpf_map_lookup_elem(&hops, remote);

	return known && known->to ? known->to : first_hop;
}

/* The same for a segment of the twin's, whose connection keeps it. */
static __always_inline __u64 next_hop(struct __sk_buff *skb, const struct packet *p)
{
	struct bpf_sock *sk = find(skb, p, p->from_port);
	struct hop *own = sk ? hop_of(sk, BPF_SK_STORAGE_GET_F_CREATE) : NULL;
	__u64 to = own ? own->to : 0;

	if (!to) {
		if (own)
			begin_hop(own, p);
		to = known_hop(&p->from);
		if (own)
			own->to = to;
	}
	if (sk) {
		note_end(skb, sk, p);
		bpf_sk_release(sk);
	}
	return to;
}

SEC("tc")
int hy_from_twin(struct __sk_buff *skb)
{
	struct packet p = { 0 };
	int kind = splice_read(skb, 0, &p);
	__u64 to;

	if ((kind != KIND_TCP && kind != KIND_UDP) || !p.plain || p.tags)
		return drop(SPLICE_DROP_KIND);
	if (p.from_mac != guest_mac || !is_twins(&p.from))
		return drop(SPLICE_DROP_SOURCE);
	if (kind == KIND_UDP && !is_cast(&p))
		return drop(SPLICE_DROP_PORT);
	/* a frame was on its way in when its connection went home; sockets reset with an ACK */
	if (p.stray_rst)
		return drop(SPLICE_DROP_STRAY);
	turn_round(&p);
	to = kind == KIND_TCP ? next_hop(skb, &p) : known_hop(&p.from);
	if (!to)
		return drop(SPLICE_DROP_NO_HOP);
	if (bpf_skb_store_bytes(skb, 0, &to, ETH_ALEN, 0) < 0 ||
	    (edge_vlan && bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), edge_vlan) < 0))
		return TC_ACT_SHOT;
	skb->mark = MARK_FROM_TWIN;
	add_one(SPLICE_FROM_TWIN);
	return bpf_redirect(edge_ifindex, edge_is_macvtap ? 0 : BPF_F_INGRESS);
}

SEC("tc")
int hy_from_guest(struct __sk_buff *skb)
{
	struct packet p = { 0 };
	int kind;

	if (skb->mark == MARK_FROM_TWIN) {
		skb->mark = 0;
		return leave_to_guest(SPLICE_ENTERED);
	}
	kind = splice_read(skb, edge_vlan, &p);
	if (kind != KIND_TCP && kind != KIND_UDP)
		return TC_ACT_UNSPEC;
	turn_round(&p);
	if (kind == KIND_TCP && may_have(&p) && is_connected(skb, &p, p.syn))
		return drop(SPLICE_DROP_LATE);
	if (kind == KIND_TCP && is_behind_end(&p))
		return drop(SPLICE_DROP_STRAY);
	if (p.from_mac == guest_mac)
		learn_guests(&p.from, p.to_mac);
	return TC_ACT_UNSPEC;
}

char gpl[] SEC("license") = "GPL";
