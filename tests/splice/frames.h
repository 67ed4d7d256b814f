/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frames.h - frames of every kind a splice may meet, made from a few words
 *
 * Runs in: the tests of the splice
 * Reads from: no untrusted input
 *
 * A zeroed description is an ACK of a client, come to the guest over IPv4 in one plain segment of
 * the connection CONN_PORT; each field that is set makes it differ in that one point.
 */
#ifndef HY_SPLICE_FRAMES_H
#define HY_SPLICE_FRAMES_H

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX 8192
#define CLIENT_PORT 40000
#define CONN_PORT 7001			/* an established connection of the twin's */
#define TAGS_MAX 3
#define EXTENSIONS_MAX 10

enum frame_flags { FRAME_SYN = 0x02, FRAME_RST = 0x04, FRAME_ACK = 0x10 };

extern const uint8_t mac_guest[ETH_ALEN], mac_router[ETH_ALEN], mac_other[ETH_ALEN];

/* The ends' addresses; IPv4 in the first four bytes. */
struct frame_addrs {
	uint8_t guest[2][16];		/* [0]: IPv4, [1]: IPv6 */
	uint8_t client[2][16];
};

extern const struct frame_addrs addrs;

struct frame_spec {
	bool ip6;
	bool outgoing;			/* from the guest, or the twin, to the client */
	const uint8_t *to_mac;		/* NULL: the right one */
	const uint8_t *from_mac;
	bool foreign;			/* the source address is nobody's */
	bool foreign_dest;
	unsigned int tags;		/* in the frame */
	uint16_t tag[TAGS_MAX];		/* number and priority */
	uint16_t tag_type;		/* of the first, 0: 802.1Q */
	uint16_t ether_type;		/* 0: the right one */
	uint8_t version;		/* of the IP header, 0: the right one */
	uint8_t header_words;		/* of IPv4, 0: without options, 5 */
	unsigned int extensions;	/* of IPv6 */
	uint8_t extension[EXTENSIONS_MAX];	/* IPPROTO_* */
	uint8_t segments_left;		/* of a routing header */
	bool more;			/* fragments follow */
	uint16_t offset;		/* of a fragment, in units of 8 bytes */
	uint32_t id;
	uint8_t protocol;		/* 0: TCP */
	uint8_t icmp_type;		/* not 0: an error about a segment the other way */
	uint8_t quoted_protocol;	/* 0: TCP */
	size_t quoted_bytes;		/* of the quoted segment's TCP header; 0: all 20 */
	uint16_t guest_port;		/* 0: CONN_PORT */
	uint16_t client_port;		/* 0: CLIENT_PORT */
	uint8_t flags;			/* 0: FRAME_ACK */
	uint32_t seq, ack;
	size_t cut_to;			/* 0: whole */
	size_t padded_to;		/* 0: no payload */
};

/**
 * frame_make() - Write a frame
 * @f:		What it is; lengths and checksums are right where nothing is asked to be wrong
 * @frame:	FRAME_MAX bytes
 *
 * Return: its length
 */
size_t frame_make(const struct frame_spec *f, uint8_t *frame);

#endif
