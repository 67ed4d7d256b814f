/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frame.h - what is in an Ethernet frame: addresses, ports, TCP flags, where the payload is
 *
 * Runs in: hylics-wire
 * Reads from: the machines on both ends of the wire (hostile)
 */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_ETH_LEN 14
#define FRAME_VLAN_LEN 4
#define FRAME_IP4_LEN 20
#define FRAME_IP6_LEN 40
#define FRAME_TCP_LEN 20
#define FRAME_UDP_LEN 8

#define FRAME_PROTO_ICMP 1
#define FRAME_PROTO_TCP 6
#define FRAME_PROTO_UDP 17
#define FRAME_PROTO_ICMP6 58
#define FRAME_PROTO_SCTP 132

#define FRAME_TCP_FIN 0x01
#define FRAME_TCP_SYN 0x02
#define FRAME_TCP_RST 0x04
#define FRAME_TCP_PSH 0x08
#define FRAME_TCP_ACK 0x10
#define FRAME_TCP_CWR 0x80

/*
 * Fates are numbered per class, so that a stray ARP request or neighbour advertisement does not
 * change what happens to the datagrams of a test.
 */
enum frame_class {
	FRAME_OTHER,		/* not IP, an unknown protocol, or malformed */
	FRAME_FRAGMENT,		/* a part of an IP datagram */
	FRAME_ICMP,
	FRAME_UDP,
	FRAME_TCP_CONTROL,	/* SYN, FIN or RST, with or without data */
	FRAME_TCP_DATA,
	FRAME_TCP_PURE_ACK,
	FRAME_CLASSES,
};

enum frame_net { FRAME_NET_OTHER, FRAME_NET_ARP, FRAME_NET_IP4, FRAME_NET_IP6 };

struct frame_info {
	enum frame_class class;
	enum frame_net net;
	bool malformed;		/* a header contradicts itself or the frame ends inside it */
	uint8_t tags;		/* VLAN tags */
	uint8_t proto;		/* of the last IP header understood */
	uint8_t tcp_flags;
	uint16_t vlan;		/* outermost VLAN number, 0 if untagged */
	uint16_t window;
	uint16_t src_port, dst_port;
	uint32_t seq, ack;
	uint32_t l3;		/* offsets into the frame */
	uint32_t l4;
	uint32_t payload;
	uint32_t payload_len;	/* without Ethernet padding */
	uint8_t src[16], dst[16];	/* IPv4 in the first four, the rest zero */
};

/**
 * frame_parse() - Look into a frame
 * @bytes:	A private copy of what a guest sent
 * @len:	Its length, any
 * @f:		Always filled; all offsets are within @len and in the order l3, l4, payload
 *
 * A frame that is malformed is FRAME_OTHER; the wire carries it like any other.
 */
void frame_parse(const uint8_t *bytes, size_t len, struct frame_info *f);

#endif
