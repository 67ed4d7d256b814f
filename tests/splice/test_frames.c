/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_frames.c - the splice's programs, one frame at a time: what becomes of it, what is counted
 *
 * Runs in: network namespaces of its own; nothing is attached, the kernel runs the programs on
 *	frames it is handed (BPF_PROG_TEST_RUN)
 * Reads from: no untrusted input
 */
#include "tests/splice/run.h"

#include "common/limits.h"
#include "twin/bpf/splice.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define MARK_FROM_TWIN 0x48795350
#define NOTHING SPLICE_COUNTS		/* is counted */

static const char *const prog_words[] = { "to the guest", "of the guest", "of the twin" };

struct row {
	const char *what;
	enum prog prog;
	enum verdict verdict;
	enum splice_count count;
	struct frame_spec frame;
};

/* Beside its verdict a program may change the receiver's MAC of what the twin sends, and tags. */
static bool untouched(const struct run *r, const struct row *row)
{
	size_t skip = row->prog == FROM_TWIN && row->verdict == SENT ? ETH_ALEN : 0;

	if (row->frame.tags && row->verdict == SENT)
		return true;
	return r->out_len == r->in_len && !memcmp(r->in + skip, r->out + skip, r->in_len - skip);
}

static void check_row(struct splice *s, const struct row *row)
{
	struct run r = { 0 };

	run_frame(s, row->prog, &row->frame, &r);
	probe_check(r.verdict == (int)row->verdict && run_counted_only(&r, row->count) &&
			    untouched(&r, row),
		    "%s, IPv%d: %s: %s, counted %s", prog_words[row->prog],
		    row->frame.ip6 ? 6 : 4, row->what,
		    row->verdict == PASS ? "passed on" : row->verdict == DROP ? "dropped" :
										"redirected",
		    row->count == NOTHING ? "nowhere" : splice_count_names[row->count]);
}

#define OUT .outgoing = true
#define IP6 .ip6 = true
#define FREE .guest_port = FREE_PORT
#define EXT(...) .extensions = sizeof((uint8_t[]){ __VA_ARGS__ }), .extension = { __VA_ARGS__ }

static const struct row to_guest_rows[] = {
	{ "a connection of the twin", TO_GUEST, SENT, SPLICE_TO_TWIN, { 0 } },
	{ "a connection of the twin", TO_GUEST, SENT, SPLICE_TO_TWIN, { IP6 } },
	{ "no such connection", TO_GUEST, PASS, NOTHING, { FREE } },
	{ "no such connection", TO_GUEST, PASS, NOTHING, { IP6, FREE } },
	{ "another client's port", TO_GUEST, PASS, NOTHING, { .client_port = 1 } },
	{ "another client", TO_GUEST, PASS, NOTHING, { .foreign = true } },
	{ "another client", TO_GUEST, PASS, NOTHING, { IP6, .foreign = true } },
	{ "another address of the guest's", TO_GUEST, PASS, NOTHING, { .foreign_dest = true } },
	{ "another MAC", TO_GUEST, PASS, NOTHING, { .to_mac = mac_other } },
	{ "a SYN in the middle", TO_GUEST, SENT, SPLICE_TO_TWIN, { .flags = FRAME_SYN } },
	{ "IP options", TO_GUEST, SENT, SPLICE_TO_TWIN, { .header_words = 7 } },
	{ "the most IP options", TO_GUEST, SENT, SPLICE_TO_TWIN, { .header_words = 15 } },
	{ "a header too short", TO_GUEST, PASS, SPLICE_UNREAD_TO_GUEST, { .header_words = 4 } },
	{ "another version", TO_GUEST, PASS, SPLICE_UNREAD_TO_GUEST, { .version = 5 } },
	{ "another version", TO_GUEST, PASS, SPLICE_UNREAD_TO_GUEST, { IP6, .version = 4 } },
	{ "UDP", TO_GUEST, PASS, NOTHING, { .protocol = IPPROTO_UDP } },
	{ "UDP", TO_GUEST, PASS, NOTHING, { IP6, .protocol = IPPROTO_UDP } },
	{ "ICMP of IPv6 in it", TO_GUEST, PASS, NOTHING, { .protocol = IPPROTO_ICMPV6 } },
	{ "ARP", TO_GUEST, PASS, NOTHING, { .ether_type = ETH_P_ARP } },
	/* the kernel runs nothing on an IP header cut short, unless a tag hides it */
	{ "an Ethernet header alone", TO_GUEST, PASS, SPLICE_UNREAD_TO_GUEST,
	  { .tags = 1, .cut_to = 18 } },
	{ "cut in the IP header", TO_GUEST, PASS, SPLICE_UNREAD_TO_GUEST,
	  { .tags = 1, .cut_to = 37 } },
	{ "cut in the IP header", TO_GUEST, PASS, SPLICE_UNREAD_TO_GUEST,
	  { IP6, .tags = 1, .cut_to = 57 } },
	{ "cut in the TCP header", TO_GUEST, PASS, SPLICE_UNREAD_TO_GUEST, { .cut_to = 53 } },
	{ "cut in the TCP header", TO_GUEST, PASS, SPLICE_UNREAD_TO_GUEST, { IP6, .cut_to = 73 } },
	{ "hop-by-hop options", TO_GUEST, SENT, SPLICE_TO_TWIN, { IP6, EXT(IPPROTO_HOPOPTS) } },
	{ "three extension headers", TO_GUEST, SENT, SPLICE_TO_TWIN,
	  { IP6, EXT(IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS) } },
	{ "extension headers, no such connection", TO_GUEST, PASS, NOTHING,
	  { IP6, FREE, EXT(IPPROTO_HOPOPTS, IPPROTO_DSTOPTS) } },
	{ "a route not yet at its end", TO_GUEST, PASS, SPLICE_UNREAD_TO_GUEST,
	  { IP6, EXT(IPPROTO_ROUTING), .segments_left = 1 } },
	{ "too many extension headers", TO_GUEST, PASS, SPLICE_UNREAD_TO_GUEST,
	  { IP6, EXT(60, 60, 60, 60, 60, 60, 60, 60) } },
	{ "cut in an extension header", TO_GUEST, PASS, SPLICE_UNREAD_TO_GUEST,
	  { IP6, EXT(IPPROTO_DSTOPTS), .cut_to = 56 } },
	{ "a fragment header around the whole", TO_GUEST, SENT, SPLICE_TO_TWIN,
	  { IP6, EXT(IPPROTO_FRAGMENT) } },
};

static const struct row vlan_rows[] = {
	{ "a tag", TO_GUEST, PASS, NOTHING, { .tags = 1, .tag = { 7 } } },
	{ "a tag", TO_GUEST, PASS, NOTHING, { IP6, .tags = 1, .tag = { 7 } } },
	{ "a priority, no number", TO_GUEST, SENT, SPLICE_TO_TWIN,
	  { .tags = 1, .tag = { 5 << 13 } } },
	{ "two tags", TO_GUEST, PASS, NOTHING, { .tags = 2, .tag = { 0, 7 } } },
	{ "a tag", FROM_GUEST, PASS, NOTHING, { OUT, .tags = 1, .tag = { 7 } } },
	{ "a tag", FROM_TWIN, DROP, SPLICE_DROP_KIND, { OUT, .tags = 1, .tag = { 7 } } },
	{ "a priority", FROM_TWIN, DROP, SPLICE_DROP_KIND, { OUT, .tags = 1, .tag = { 5 << 13 } } },
	{ "two tags", FROM_TWIN, DROP, SPLICE_DROP_KIND, { OUT, .tags = 2, .tag = { 7, 8 } } },
	{ "a provider's tag", FROM_TWIN, DROP, SPLICE_DROP_KIND,
	  { OUT, .tags = 1, .tag = { 7 }, .tag_type = ETH_P_8021AD } },
};

static const struct row in_vlan_rows[] = {
	{ "no tag, ours is 7", TO_GUEST, PASS, NOTHING, { 0 } },
	{ "tag 7", TO_GUEST, SENT, SPLICE_TO_TWIN, { .tags = 1, .tag = { 7 } } },
	{ "tag 7", TO_GUEST, SENT, SPLICE_TO_TWIN, { IP6, .tags = 1, .tag = { 7 } } },
	{ "tag 7 with a priority", TO_GUEST, SENT, SPLICE_TO_TWIN,
	  { .tags = 1, .tag = { 7 | 5 << 13 } } },
	{ "tag 8", TO_GUEST, PASS, NOTHING, { .tags = 1, .tag = { 8 } } },
	{ "a priority, no number", TO_GUEST, PASS, NOTHING, { .tags = 1, .tag = { 5 << 13 } } },
	{ "a provider's tag 7", TO_GUEST, PASS, NOTHING,
	  { .tags = 1, .tag = { 7 }, .tag_type = ETH_P_8021AD } },
	{ "tags 7 and 7", TO_GUEST, PASS, NOTHING, { .tags = 2, .tag = { 7, 7 } } },
	{ "a provider's tag and 7", TO_GUEST, PASS, NOTHING,
	  { .tags = 2, .tag = { 7, 7 }, .tag_type = ETH_P_8021AD } },
	{ "tags 7, 7 and 7", TO_GUEST, PASS, NOTHING, { .tags = 3, .tag = { 7, 7, 7 } } },
	{ "cut in tag 7", TO_GUEST, PASS, NOTHING, { .tags = 1, .tag = { 7 }, .cut_to = 16 } },
	{ "tag 7", FROM_GUEST, DROP, SPLICE_DROP_LATE, { OUT, .tags = 1, .tag = { 7 } } },
	{ "no tag, ours is 7", FROM_GUEST, PASS, NOTHING, { OUT } },
	{ "tag 8", FROM_GUEST, PASS, NOTHING, { OUT, .tags = 1, .tag = { 8 } } },
	{ "tag 7, which the splice gives", FROM_TWIN, DROP, SPLICE_DROP_KIND,
	  { OUT, .tags = 1, .tag = { 7 } } },
};

#define ERROR4(type) .icmp_type = (type)
#define ERROR6(type) .ip6 = true, .icmp_type = (type)

static const struct row icmp_rows[] = {
	{ "unreachable or too big", TO_GUEST, SENT, SPLICE_ICMP_TO_TWIN, { ERROR4(3) } },
	{ "time exceeded", TO_GUEST, SENT, SPLICE_ICMP_TO_TWIN, { ERROR4(11) } },
	{ "parameter problem", TO_GUEST, SENT, SPLICE_ICMP_TO_TWIN, { ERROR4(12) } },
	{ "unreachable", TO_GUEST, SENT, SPLICE_ICMP_TO_TWIN, { ERROR6(1) } },
	{ "too big", TO_GUEST, SENT, SPLICE_ICMP_TO_TWIN, { ERROR6(2) } },
	{ "time exceeded", TO_GUEST, SENT, SPLICE_ICMP_TO_TWIN, { ERROR6(3) } },
	{ "parameter problem", TO_GUEST, SENT, SPLICE_ICMP_TO_TWIN, { ERROR6(4) } },
	{ "an error with 8 bytes of TCP", TO_GUEST, SENT, SPLICE_ICMP_TO_TWIN,
	  { ERROR4(3), .quoted_bytes = 8 } },
	{ "an error with 8 bytes of TCP", TO_GUEST, SENT, SPLICE_ICMP_TO_TWIN,
	  { ERROR6(2), .quoted_bytes = 8 } },
	{ "an error with 3 bytes of TCP", TO_GUEST, PASS, SPLICE_UNREAD_TO_GUEST,
	  { ERROR4(3), .quoted_bytes = 3 } },
	{ "an error with options in both headers", TO_GUEST, SENT, SPLICE_ICMP_TO_TWIN,
	  { ERROR4(3), .header_words = 8 } },
	{ "an error behind an extension header", TO_GUEST, SENT, SPLICE_ICMP_TO_TWIN,
	  { ERROR6(2), EXT(IPPROTO_DSTOPTS) } },
	{ "an error about no such connection", TO_GUEST, PASS, NOTHING, { ERROR4(3), FREE } },
	{ "an error about no such connection", TO_GUEST, PASS, NOTHING, { ERROR6(2), FREE } },
	{ "an error about UDP", TO_GUEST, PASS, NOTHING, { ERROR4(3), .quoted_protocol = 17 } },
	{ "an error that quotes nothing", TO_GUEST, PASS, SPLICE_UNREAD_TO_GUEST,
	  { ERROR4(3), .cut_to = 42 } },
	{ "an error without a header", TO_GUEST, PASS, SPLICE_UNREAD_TO_GUEST,
	  { ERROR4(3), .cut_to = 34 } },
	{ "an echo", TO_GUEST, PASS, NOTHING, { ERROR4(8) } },
	{ "a redirect", TO_GUEST, PASS, NOTHING, { ERROR4(5) } },
	{ "an echo", TO_GUEST, PASS, NOTHING, { ERROR6(128) } },
	{ "neighbour discovery", TO_GUEST, PASS, NOTHING, { ERROR6(135) } },
	{ "an error of the guest's", FROM_GUEST, PASS, NOTHING, { OUT, ERROR4(3) } },
	{ "an error", FROM_TWIN, DROP, SPLICE_DROP_KIND, { OUT, ERROR4(3) } },
	{ "an error", FROM_TWIN, DROP, SPLICE_DROP_KIND, { OUT, ERROR6(1) } },
};

/* In this order: what a piece meets depends on those before it. */
#define PIECE4(n, at, rest) .id = (n), .offset = (at), .more = (rest)
#define PIECE6(n, at, rest) .ip6 = true, EXT(IPPROTO_FRAGMENT), PIECE4(n, at, rest)

static const struct row piece_rows[] = {
	{ "a piece whose first was not seen", TO_GUEST, PASS, SPLICE_FRAGMENT_TO_GUEST,
	  { PIECE4(1, 100, false) } },
	{ "a first piece", TO_GUEST, SENT, SPLICE_FRAGMENT_TO_TWIN, { PIECE4(1, 0, true) } },
	{ "the second", TO_GUEST, SENT, SPLICE_FRAGMENT_TO_TWIN, { PIECE4(1, 100, true) } },
	{ "the last", TO_GUEST, SENT, SPLICE_FRAGMENT_TO_TWIN, { PIECE4(1, 200, false) } },
	{ "a piece of another datagram", TO_GUEST, PASS, SPLICE_FRAGMENT_TO_GUEST,
	  { PIECE4(2, 100, false) } },
	{ "a piece of another client's", TO_GUEST, PASS, SPLICE_FRAGMENT_TO_GUEST,
	  { PIECE4(1, 100, false), .foreign = true } },
	{ "a first piece for the guest, the same number", TO_GUEST, PASS, SPLICE_FRAGMENT_TO_GUEST,
	  { PIECE4(1, 0, true), FREE } },
	{ "the second", TO_GUEST, PASS, SPLICE_FRAGMENT_TO_GUEST, { PIECE4(1, 100, true), FREE } },
	{ "a piece of UDP", TO_GUEST, PASS, NOTHING, { PIECE4(3, 0, true), .protocol = 17 } },
	{ "a later piece of UDP", TO_GUEST, PASS, NOTHING, { PIECE4(3, 9, true), .protocol = 17 } },
	{ "a piece whose first was not seen", TO_GUEST, PASS, SPLICE_FRAGMENT_TO_GUEST,
	  { PIECE6(1, 100, false) } },
	{ "a first piece", TO_GUEST, SENT, SPLICE_FRAGMENT_TO_TWIN, { PIECE6(1, 0, true) } },
	{ "the last", TO_GUEST, SENT, SPLICE_FRAGMENT_TO_TWIN, { PIECE6(1, 200, false) } },
	{ "a first piece for the guest", TO_GUEST, PASS, SPLICE_FRAGMENT_TO_GUEST,
	  { PIECE6(5, 0, true), FREE } },
	{ "a later piece of UDP", TO_GUEST, PASS, NOTHING, { PIECE6(3, 9, true), .protocol = 17 } },
	{ "an error in pieces", TO_GUEST, PASS, NOTHING, { ERROR4(3), PIECE4(4, 0, true) } },
	{ "a piece", FROM_GUEST, PASS, NOTHING, { OUT, PIECE4(1, 0, true) } },
	{ "a first piece", FROM_TWIN, DROP, SPLICE_DROP_KIND, { OUT, PIECE4(1, 0, true) } },
	{ "a later piece", FROM_TWIN, DROP, SPLICE_DROP_KIND, { OUT, PIECE4(1, 9, false) } },
	{ "a first piece", FROM_TWIN, DROP, SPLICE_DROP_KIND, { OUT, PIECE6(1, 0, true) } },
};

static const struct row state_rows[] = {
	{ "time-wait, an ACK", TO_GUEST, SENT, SPLICE_TO_TWIN, { .guest_port = TIME_WAIT_PORT } },
	{ "time-wait, a RST", FROM_GUEST, DROP, SPLICE_DROP_LATE,
	  { OUT, .guest_port = TIME_WAIT_PORT, .flags = FRAME_RST } },
	{ "time-wait, a SYN", TO_GUEST, PASS, NOTHING,
	  { .guest_port = TIME_WAIT_PORT, .flags = FRAME_SYN } },
	{ "time-wait, an ACK behind the SYN", TO_GUEST, PASS, NOTHING,
	  { .guest_port = TIME_WAIT_PORT } },
	{ "time-wait, a RST behind the SYN", FROM_GUEST, PASS, NOTHING,
	  { OUT, .guest_port = TIME_WAIT_PORT, .flags = FRAME_RST } },
	{ "time-wait, a SYN and its ACK", TO_GUEST, PASS, NOTHING,
	  { .guest_port = TIME_WAIT_PORT, .flags = FRAME_SYN | FRAME_ACK } },
	{ "time-wait, a SYN", FROM_GUEST, PASS, NOTHING,
	  { OUT, .guest_port = TIME_WAIT_PORT, .flags = FRAME_SYN } },
	{ "listener that does not count, a SYN", TO_GUEST, PASS, NOTHING,
	  { .guest_port = LISTEN_PORT, .flags = FRAME_SYN } },
	{ "listener that does not count, a SYN", TO_GUEST, PASS, NOTHING,
	  { IP6, .guest_port = LISTEN_PORT, .flags = FRAME_SYN } },
	{ "listener that does not count behind time-wait, a SYN", TO_GUEST, PASS, NOTHING,
	  { .guest_port = TIME_WAIT_LISTEN_PORT, .flags = FRAME_SYN } },
};

static const struct row listener_rows[] = {
	{ "listener, a SYN", TO_GUEST, SENT, SPLICE_TO_TWIN,
	  { .guest_port = LISTEN_PORT, .flags = FRAME_SYN } },
	{ "listener, a SYN", TO_GUEST, SENT, SPLICE_TO_TWIN,
	  { IP6, .guest_port = LISTEN_PORT, .flags = FRAME_SYN } },
	{ "listener, an ACK of before it listened", TO_GUEST, PASS, NOTHING,
	  { .guest_port = LISTEN_PORT } },
	{ "listener, an ACK of before it listened", TO_GUEST, PASS, NOTHING,
	  { IP6, .guest_port = LISTEN_PORT } },
	{ "listener, a SYN for another address of the guest's", TO_GUEST, PASS, NOTHING,
	  { .guest_port = LISTEN_PORT, .flags = FRAME_SYN, .foreign_dest = true } },
	{ "listener, an answer of the guest's", FROM_GUEST, PASS, NOTHING,
	  { OUT, .guest_port = LISTEN_PORT } },
	{ "no listener, a SYN", TO_GUEST, PASS, NOTHING, { FREE, .flags = FRAME_SYN } },
	{ "time-wait, a SYN", TO_GUEST, PASS, NOTHING,
	  { .guest_port = TIME_WAIT_PORT, .flags = FRAME_SYN } },
	{ "listener behind time-wait, a SYN", TO_GUEST, SENT, SPLICE_TO_TWIN,
	  { .guest_port = TIME_WAIT_LISTEN_PORT, .flags = FRAME_SYN } },
	{ "listener, an ICMP error", TO_GUEST, PASS, NOTHING,
	  { .guest_port = LISTEN_PORT, ERROR4(3) } },
};

static const struct row from_twin_rows[] = {
	{ "the guest's MAC and address", FROM_TWIN, SENT, SPLICE_FROM_TWIN, { OUT } },
	{ "the guest's MAC and address", FROM_TWIN, SENT, SPLICE_FROM_TWIN, { OUT, IP6 } },
	{ "without a connection (a last RST)", FROM_TWIN, SENT, SPLICE_FROM_TWIN,
	  { OUT, FREE, .flags = FRAME_RST | FRAME_ACK } },
	{ "a RST for what met no socket", FROM_TWIN, DROP, SPLICE_DROP_STRAY,
	  { OUT, FREE, .flags = FRAME_RST } },
	{ "another address", FROM_TWIN, DROP, SPLICE_DROP_SOURCE, { OUT, .foreign = true } },
	{ "another address", FROM_TWIN, DROP, SPLICE_DROP_SOURCE, { OUT, IP6, .foreign = true } },
	{ "another MAC", FROM_TWIN, DROP, SPLICE_DROP_SOURCE, { OUT, .from_mac = mac_other } },
	{ "another MAC", FROM_TWIN, DROP, SPLICE_DROP_SOURCE, { OUT, IP6, .from_mac = mac_other } },
	{ "the client's own frame", FROM_TWIN, DROP, SPLICE_DROP_SOURCE, { 0 } },
	{ "ARP", FROM_TWIN, DROP, SPLICE_DROP_KIND, { OUT, .ether_type = ETH_P_ARP } },
	{ "IPv6 said to be IPv4", FROM_TWIN, DROP, SPLICE_DROP_KIND,
	  { OUT, IP6, .ether_type = ETH_P_IP } },
	{ "IPv4 said to be IPv6", FROM_TWIN, DROP, SPLICE_DROP_KIND,
	  { OUT, .ether_type = ETH_P_IPV6, .padded_to = 100 } },
	{ "an unknown EtherType", FROM_TWIN, DROP, SPLICE_DROP_KIND,
	  { OUT, .ether_type = 0x88b5 } },
	{ "UDP without a cast", FROM_TWIN, DROP, SPLICE_DROP_PORT,
	  { OUT, .protocol = IPPROTO_UDP } },
	{ "UDP without a cast", FROM_TWIN, DROP, SPLICE_DROP_PORT,
	  { OUT, IP6, .protocol = IPPROTO_UDP } },
	{ "UDP of another", FROM_TWIN, DROP, SPLICE_DROP_SOURCE,
	  { OUT, .protocol = IPPROTO_UDP, .foreign = true } },
	{ "UDP in pieces", FROM_TWIN, DROP, SPLICE_DROP_KIND,
	  { OUT, PIECE4(1, 0, true), .protocol = IPPROTO_UDP } },
	{ "IP in IP", FROM_TWIN, DROP, SPLICE_DROP_KIND, { OUT, .protocol = IPPROTO_IPIP } },
	{ "IP options", FROM_TWIN, DROP, SPLICE_DROP_KIND, { OUT, .header_words = 6 } },
	{ "a source route", FROM_TWIN, DROP, SPLICE_DROP_KIND,
	  { OUT, IP6, EXT(IPPROTO_ROUTING), .segments_left = 1 } },
	{ "a source route used up", FROM_TWIN, DROP, SPLICE_DROP_KIND,
	  { OUT, IP6, EXT(IPPROTO_ROUTING) } },
	{ "an extension header", FROM_TWIN, DROP, SPLICE_DROP_KIND,
	  { OUT, IP6, EXT(IPPROTO_DSTOPTS) } },
	{ "a fragment header around the whole", FROM_TWIN, DROP, SPLICE_DROP_KIND,
	  { OUT, IP6, EXT(IPPROTO_FRAGMENT) } },
	{ "cut in the TCP header", FROM_TWIN, DROP, SPLICE_DROP_KIND, { OUT, .cut_to = 50 } },
};

static const struct row from_guest_rows[] = {
	{ "a connection of the twin", FROM_GUEST, DROP, SPLICE_DROP_LATE, { OUT } },
	{ "a connection of the twin", FROM_GUEST, DROP, SPLICE_DROP_LATE, { OUT, IP6 } },
	{ "its RST", FROM_GUEST, DROP, SPLICE_DROP_LATE, { OUT, .flags = FRAME_RST } },
	{ "the same with another MAC", FROM_GUEST, DROP, SPLICE_DROP_LATE,
	  { OUT, .from_mac = mac_other } },
	{ "the same with IP options", FROM_GUEST, DROP, SPLICE_DROP_LATE,
	  { OUT, .header_words = 6 } },
	{ "the same with an extension header", FROM_GUEST, DROP, SPLICE_DROP_LATE,
	  { OUT, IP6, EXT(IPPROTO_HOPOPTS) } },
	{ "no such connection", FROM_GUEST, PASS, NOTHING, { OUT, FREE } },
	{ "no such connection", FROM_GUEST, PASS, NOTHING, { OUT, IP6, FREE } },
	{ "another client", FROM_GUEST, PASS, NOTHING, { OUT, .foreign_dest = true } },
	{ "ARP", FROM_GUEST, PASS, NOTHING, { OUT, .ether_type = ETH_P_ARP } },
	{ "UDP", FROM_GUEST, PASS, NOTHING, { OUT, .protocol = IPPROTO_UDP } },
	{ "an Ethernet header alone", FROM_GUEST, PASS, NOTHING, { OUT, .tags = 1, .cut_to = 18 } },
};

/* Both families' next hop, learnt from the guest; FREE_PORT is no connection of the twin's. */
static void show_hops(struct splice *s)
{
	struct frame_spec f = { OUT, FREE };
	struct run r = { 0 };

	run_frame(s, FROM_GUEST, &f, &r);
	f.ip6 = true;
	run_frame(s, FROM_GUEST, &f, &r);
}

#define CHECK_ROWS(s, rows) check_rows(s, rows, sizeof(rows) / sizeof((rows)[0]), false)
#define CHECK_RENEWED(s, rows) check_rows(s, rows, sizeof(rows) / sizeof((rows)[0]), true)

static void check_rows(struct splice *s, const struct row *rows, size_t n, bool renewed)
{
	for (size_t i = 0; i < n; i++) {
		if (renewed)
			run_renew(s);
		check_row(s, &rows[i]);
	}
}

static void check_tables(struct world *w)
{
	struct splice_config cfg = world_config(w);
	struct splice s;

	world_open(&s, &cfg);
	show_hops(&s);
	CHECK_ROWS(&s, to_guest_rows);
	CHECK_ROWS(&s, vlan_rows);
	CHECK_ROWS(&s, icmp_rows);
	CHECK_ROWS(&s, piece_rows);
	CHECK_ROWS(&s, state_rows);
	CHECK_ROWS(&s, from_twin_rows);
	CHECK_ROWS(&s, from_guest_rows);
	splice_close(&s);
	world_open(&s, &cfg);
	CHECK_RENEWED(&s, piece_rows);
	CHECK_RENEWED(&s, state_rows);
	splice_close(&s);
	world_listen(&cfg);
	world_open(&s, &cfg);
	CHECK_ROWS(&s, listener_rows);
	splice_close(&s);
}

static void check_vlan(struct world *w)
{
	static const struct frame_spec tagged = { .tags = 1, .tag = { 7 } }, bare = { 0 };
	struct splice_config cfg = world_config(w);
	uint8_t want[FRAME_MAX];
	struct splice s;
	struct run r = { 0 };
	size_t len;

	cfg.vlan = 7;
	world_open(&s, &cfg);
	CHECK_ROWS(&s, in_vlan_rows);
	run_frame(&s, TO_GUEST, &tagged, &r);
	len = frame_make(&bare, want);
	probe_check(r.out_len == len && !memcmp(r.out, want, len),
		    "to the guest, tag 7: the twin gets the frame without the tag");
	splice_close(&s);
}

static void check_mark(struct world *w)
{
	static const struct frame_spec f = { OUT };
	struct splice_config cfg = world_config(w);
	struct splice s;
	struct run r = { 0 };

	world_open(&s, &cfg);
	show_hops(&s);
	run_frame(&s, FROM_TWIN, &f, &r);
	probe_check(r.verdict == SENT && r.mark == MARK_FROM_TWIN,
		    "of the twin: leaves with the mark");
	run_frame(&s, FROM_GUEST, &f, &r);
	probe_check(r.verdict == PASS && r.mark == 0 && run_counted_only(&r, SPLICE_ENTERED),
		    "at the edge: with the mark it enters, without the mark");
	r.mark = MARK_FROM_TWIN ^ 1;
	run_frame(&s, FROM_GUEST, &f, &r);
	probe_check(r.verdict == DROP && run_counted_only(&r, SPLICE_DROP_LATE),
		    "at the edge: another mark is none of ours");
	splice_close(&s);
}

/* The guest's RST to a segment that came behind the end of a connection the twin closed last. */
static void check_end(struct world *w)
{
	static const struct row rows[] = {
		{ "a RST behind the end", FROM_GUEST, DROP, SPLICE_DROP_STRAY,
		  { OUT, FREE, .flags = FRAME_RST, .seq = 7 } },
		{ "a RST with another number", FROM_GUEST, PASS, NOTHING,
		  { OUT, FREE, .flags = FRAME_RST, .seq = 8 } },
		{ "a RST that acknowledges", FROM_GUEST, PASS, NOTHING,
		  { OUT, FREE, .flags = FRAME_RST | FRAME_ACK, .seq = 7 } },
		{ "a RST to another client", FROM_GUEST, PASS, NOTHING,
		  { OUT, FREE, .client_port = 1, .flags = FRAME_RST, .seq = 7 } },
		{ "a segment", FROM_GUEST, PASS, NOTHING, { OUT, FREE, .seq = 7 } },
	};
	/* as the programs have it: addresses and ports, the client's first */
	struct {
		struct splice_addr from, to;
		uint16_t from_port, to_port;
	} ends = { .from.family = AF_INET, .to.family = AF_INET, .from_port = htons(CLIENT_PORT),
		   .to_port = htons(FREE_PORT) };
	struct splice_config cfg = world_config(w);
	uint32_t end = 7;
	struct splice s;

	memcpy(ends.from.word, addrs.client[0], 4);
	memcpy(ends.to.word, addrs.guest[0], 4);
	world_open(&s, &cfg);
	PROBE_TRY(bpf_map__update_elem(s.bpf->maps.closed, &ends, sizeof(ends), &end, sizeof(end),
				       BPF_ANY));
	CHECK_ROWS(&s, rows);
	run_renew(&s);
	check_row(&s, &rows[0]);
	splice_close(&s);
}

static void check_addresses(struct world *w)
{
	struct splice_config cfg = world_config(w);
	struct hy_err e = { 0 };
	struct splice s;
	uint8_t more[4] = { 10, 1, 0, 0 };
	int added = 0;

	world_open(&s, &cfg);
	run_guest_sends(&s, mac_router);
	probe_check(splice_add_address(&s, AF_INET, addrs.guest[0], &e) == 0,
		    "addresses: one that is there may be added again");
	while (added <= HY_TWIN_ADDRS_MAX && splice_add_address(&s, AF_INET, more, &e) == 0)
		more[3] = (uint8_t)++added;
	probe_check(added + 2 == HY_TWIN_ADDRS_MAX && e.num == ENOSPC,
		    "addresses: %d, then no more", added + 2);
	world_try(splice_del_address(&s, AF_INET, addrs.guest[0], &e), &e);
	probe_check(splice_del_address(&s, AF_INET, addrs.guest[0], &e) == -ENOENT,
		    "addresses: removed once");
	probe_check(!run_goes_to(&s, CONN_PORT, mac_router),
		    "addresses: what is removed is dropped");
	probe_check(splice_add_address(&s, AF_UNIX, more, &e) == -EAFNOSUPPORT,
		    "addresses: of a family that is none of TCP's are refused");
	splice_close(&s);
}

static bool refused(const struct splice_config *cfg)
{
	struct hy_err e = { 0 };
	struct splice s;
	bool is = splice_open(&s, cfg, NULL, &e) == -EINVAL && !s.bpf;

	splice_close(&s);
	return is;
}

static void check_config(struct world *w)
{
	const struct splice_config good = world_config(w);
	struct splice_config bad = good;

	bad.veth_ifindex = bad.edge_ifindex;
	probe_check(refused(&bad), "configuration: edge and veth are two");
	bad = good;
	bad.guest_mac[0] |= 1;
	probe_check(refused(&bad), "configuration: a group's MAC is refused");
	bad = good;
	bad.vlan = 4095;
	probe_check(refused(&bad), "configuration: VLAN 4095 is refused");
	bad = good;
	strcpy(bad.owner, "a/b");
	probe_check(refused(&bad), "configuration: an owner with a slash is refused");
	bad = good;
	bad.twin_netns_id = UINT32_MAX;
	probe_check(refused(&bad), "configuration: a namespace without an id is refused");
}

int main(void)
{
	struct world w;

	probe_begin(60);
	probe_private_net(0);
	world_make(&w, SPLICE_ROUTED, SPLICE_VETH);
	check_tables(&w);
	check_vlan(&w);
	check_mark(&w);
	check_end(&w);
	check_addresses(&w);
	check_config(&w);
	world_drop(&w);
	return probe_end("frames go where their socket is, the twin sends as the guest or not");
}
