/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice_read.bpf.h - what the splice's programs want to know of a frame
 *
 * Runs in: the kernel, in the programs of splice.bpf.c
 * Reads from: the guest, its peers and the twin (hostile): frames
 */
#ifndef HY_SPLICE_READ_BPF_H
#define HY_SPLICE_READ_BPF_H

#include <linux/bpf.h>
#include <stdbool.h>

#include "twin/splice_map.h"

#define AF_INET 2			/* libc's headers are not for this target */
#define AF_INET6 10

enum kind {
	KIND_OTHER,			/* nothing a twin could have to do with */
	KIND_UNREAD,			/* perhaps, but its headers cannot be read */
	KIND_TCP,
	KIND_UDP,			/* whole */
	KIND_ICMP,			/* an error about a TCP segment: its ends, seen from here */
	KIND_FIRST_PIECE,
	KIND_LATER_PIECE,
};

/* MACs are numbers: six bytes in the order of the wire, then two of zero. */
struct packet {
	__u64 to_mac;
	__u64 from_mac;
	struct splice_addr from;
	struct splice_addr to;
	__be16 from_port;
	__be16 to_port;
	__u32 id;			/* of a datagram in pieces */
	__u32 ip_at;			/* offsets into the frame */
	__u32 payload_at;
	__u16 tags;			/* of VLANs */
	__u8 protocol;
	bool more;
	bool later;
	bool plain;			/* no options, no extension headers */
	__u32 seq;
	__u32 data_at;			/* offset; data goes on to the end of the frame */
	bool syn;
	bool fin;
	bool stray_rst;			/* the answer to a segment that met no socket */
};

/* The ends the other way round: what came from a guest becomes what comes for it. */
static inline __attribute__((always_inline)) void turn_round(struct packet *p)
{
	struct splice_addr addr = p->from;
	__be16 port = p->from_port;

	p->from = p->to;
	p->from_port = p->to_port;
	p->to = addr;
	p->to_port = port;
}

/**
 * splice_read() - Look at a frame's headers, in one piece of memory or not
 * @skb:	Frame
 * @vlan:	The network it must belong to, 0: without a tag or with one that has no number
 * @p:		Zeroed before; filled as far as the frame could be read, the MACs and the tags
 *		also of a frame that is nothing for a twin
 *
 * Return: enum kind
 */
int splice_read(struct __sk_buff *skb, __u32 vlan, struct packet *p);

#endif
