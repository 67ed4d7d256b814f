/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * why.h - what the agent tells of connections that were not moved: a packet for each reason
 *
 * Runs in: hylics-agent, hylics-guest
 * Reads from: any program of the guest (hostile to the agent); the agent's answers are checked too
 *
 * Who wants to know asks for one reason after the other: an answer is never longer than a packet.
 */
#ifndef HY_PROTO_WHY_H
#define HY_PROTO_WHY_H

#include "proto/local.h"

/* LOCAL_ASK_WHY */
struct local_ask_why {
	uint16_t reason;		/* enum move_reason, not MOVE_DONE */
};

/* Is there an example? The numbers travel. */
enum why_seen { WHY_NONE, WHY_HERE, WHY_HIDDEN, WHY_SEENS };	/* HIDDEN: another user's */

/* Who said no. */
enum why_by { WHY_PROGRAM, WHY_AGENT, WHY_HOST, WHY_BYS };

struct why_address {
	uint8_t family;			/* 4, 6; 0: not known */
	uint16_t port;
	uint8_t addr[16];
};

#define WHY_NO_NUMBER UINT32_MAX
#define WHY_PROGRAM_MAX 31		/* bytes of a program's name */

struct why_example {
	uint8_t by;			/* enum why_by */
	uint64_t when_ms;		/* wall clock */
	uint32_t pid, user;		/* pid 0: not known */
	uint32_t number;		/* of the socket, WHY_NO_NUMBER */
	uint64_t dev, ino;		/* of the file; 0: not known */
	uint64_t offset, bytes;		/* that were to be sent; 0: not known */
	struct why_address local, peer;
	char program[WHY_PROGRAM_MAX + 1];
	char path[HY_SHARE_PATH_MAX + 1];	/* perhaps only its end; empty: not known */
};

/* LOCAL_WHY */
struct local_why {
	uint16_t reason;
	uint8_t seen;			/* enum why_seen; the rest of the example only if HERE */
	uint64_t calls;			/* of programs that stayed plain */
	uint64_t conns;			/* connections the agent was given and kept in the guest */
	struct why_example last;
};

/**
 * why_encode_ask() - Write a LOCAL_ASK_WHY packet
 * @id:		Of the request
 * @m:		Request
 * @out:	LOCAL_PACKET_MAX bytes
 *
 * Return: its length
 */
size_t why_encode_ask(uint32_t id, const struct local_ask_why *m, uint8_t *out);

/* Read one; its reason is one of ours on success. Return: 0, -EPROTO */
int why_decode_ask(const uint8_t *in, size_t len, struct local_ask_why *m);

/* The same for LOCAL_WHY: of what is read, enums are in their range and texts end. */
size_t why_encode(uint32_t id, const struct local_why *m, uint8_t *out);
int why_decode(const uint8_t *in, size_t len, struct local_why *m);

#endif
