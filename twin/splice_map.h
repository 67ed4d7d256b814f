/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice_map.h - what the splice's programs in the kernel share with the process that loads them
 *
 * Runs in: the kernel (splice.bpf.c) and hylicsd
 * Reads from: no untrusted input
 */
#ifndef HY_SPLICE_MAP_H
#define HY_SPLICE_MAP_H

#include <linux/types.h>

/* What is counted: constant, name for people, meaning. Frames, where it says nothing else. */
#define SPLICE_COUNTS_TABLE(X)                                                                     \
	X(SPLICE_TO_TWIN, "to-twin", "of a connection that lives in the twin, given to it")        \
	X(SPLICE_ICMP_TO_TWIN, "icmp-to-twin", "ICMP errors about such a connection")              \
	X(SPLICE_FRAGMENT_TO_TWIN, "fragment-to-twin", "IP fragments of such a connection")        \
	X(SPLICE_FRAGMENT_TO_GUEST, "fragment-to-guest", "IP fragments of TCP left to the guest")  \
	X(SPLICE_UNREAD_TO_GUEST, "unread-to-guest", "headers cut, broken or too many")            \
	X(SPLICE_FROM_TWIN, "from-twin", "of the twin, put in at the guest's edge")                \
	X(SPLICE_ENTERED, "entered", "of the twin, on their way from the edge into the host")      \
	X(SPLICE_DROP_LATE, "drop-late", "of the guest, for a connection that lives in the twin")  \
	X(SPLICE_DROP_SOURCE, "drop-source", "of the twin, with a MAC or address not the guest's") \
	X(SPLICE_DROP_KIND, "drop-kind", "of the twin, no whole plain segment or datagram")        \
	X(SPLICE_DROP_NO_HOP, "drop-no-hop", "of the twin, to whom no frame has shown the way")    \
	X(SPLICE_DROP_STRAY, "drop-stray", "RSTs for what came behind a twin's connection")        \
	X(SPLICE_HOP_NEW, "hop-new", "next hops of remote addresses learnt or learnt anew")        \
	X(SPLICE_DROP_PORT, "drop-port", "datagrams of the twin from a port without a cast")

#define X(count, name, what) count,
enum splice_count { SPLICE_COUNTS_TABLE(X) SPLICE_COUNTS };
#undef X

/* An address as a key: IPv4 in the first four bytes, the rest zero. */
struct splice_addr {
	__u32 family;			/* AF_INET, AF_INET6 */
	__u32 word[4];
};

/*
 * DOC: Which connections may be in the twin
 *
 * Looking for a socket is most of what a frame costs that is none of the twin's, and nearly all
 * are. Whoever makes the twin's sockets, the worker, sets a bit for a connection before there is a
 * socket of it, and only takes bits back when the twin has none at all: no socket, nothing in
 * TIME_WAIT. A clear bit says that there is none; behind a set one the socket is looked for.
 *
 * At the ports of modules sockets are looked for always, and there alone a listener of the twin's
 * gets new connections. The keeper writes them, one after the other, and takes one away when no
 * socket is left there.
 *
 * Datagrams leave the twin only from ports from which the worker says that it sends some: modules
 * have no business with any.
 *
 * The worker may have been taken over by the guest: what it writes here decides about the frames of
 * this guest alone, and lets none of them go anywhere new.
 */
#define SPLICE_PRESENT_BITS (1u << 16)
#define SPLICE_PORTS 65536u

struct splice_present {
	__u32 kept;			/* 0: by nobody, every bit counts as set */
	__u32 unused;
	__u64 word[SPLICE_PRESENT_BITS / 64];
	__u64 port[SPLICE_PORTS / 64];	/* of modules: a bit each, by the number on the wire */
	__u64 cast[SPLICE_PORTS / 64];	/* likewise, of UDP: the twin sends from here */
};

/* The bit of a connection; ports as on the wire. */
static inline __u32 splice_present_bit(const struct splice_addr *remote, __u16 remote_port,
				       __u16 local_port)
{
	__u32 mixed = remote->word[0] ^ remote->word[1] ^ remote->word[2] ^ remote->word[3];

	mixed ^= (__u32)remote_port << 16 | local_port;
	return (mixed * 0x9e3779b1u) >> 16;
}

#endif
