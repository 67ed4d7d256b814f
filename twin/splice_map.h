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
	X(SPLICE_DROP_KIND, "drop-kind", "of the twin, not a whole plain TCP segment")             \
	X(SPLICE_DROP_NO_HOP, "drop-no-hop", "of the twin, to whom no frame has shown the way")    \
	X(SPLICE_DROP_STRAY, "drop-stray", "RSTs for what came behind a twin's connection")        \
	X(SPLICE_HOP_NEW, "hop-new", "next hops of remote addresses learnt or learnt anew")

#define X(count, name, what) count,
enum splice_count { SPLICE_COUNTS_TABLE(X) SPLICE_COUNTS };
#undef X

/* An address as a key: IPv4 in the first four bytes, the rest zero. */
struct splice_addr {
	__u32 family;			/* AF_INET, AF_INET6 */
	__u32 word[4];
};

#endif
