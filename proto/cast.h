/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cast.h - casts: what programs ask of the agent, and what agent and host say of them
 *
 * Runs in: hylics-agent, libhylics, hylics-worker
 * Reads from: any program of the guest (hostile to the agent); the guest (hostile to the host)
 *
 * docs/udp.md has the whole. The id of a frame names the cast; the number is the agent's.
 */
#ifndef HY_PROTO_CAST_H
#define HY_PROTO_CAST_H

#include "common/pacing.h"
#include "proto/local.h"
#include "proto/reason.h"

/* A part of a file and how it is cut: both good for what they are used for. */
struct cast_part {
	uint64_t offset, count;		/* count is not 0; the end is below 2^63 */
	struct pacing pace;
};

/* The numbers travel. */
enum cast_state {
	CAST_RUNNING = 0,
	CAST_DONE = 1,		/* all, or up to the end of the file */
	CAST_REFUSED = 2,	/* nothing was sent */
	CAST_BROKEN = 3,	/* what was told was sent; the rest is the guest's */
	CAST_STATES,
};

/* LOCAL_CAST_TOLD and MSG_CAST_TOLD */
struct cast_told {
	uint64_t sent;		/* bytes; below 2^63; of a refused one 0 */
	uint8_t state;		/* enum cast_state */
	uint16_t reason;	/* enum move_reason: of the last two states; else MOVE_DONE */
};

/* MSG_CAST */
struct cast {
	uint8_t family;		/* 4 or 6 */
	uint8_t tos;		/* or traffic class */
	uint8_t ttl;		/* or hop limit; not 0 */
	struct local_end local, peer;	/* ports are not 0 */
	uint32_t file;		/* number of the file */
	struct cast_part part;
};

#define CAST_LEN 71
#define CAST_TOLD_LEN 11

/**
 * cast_encode_ask() - Write a LOCAL_CAST packet; likewise cast_encode_local_told()
 * @id:		Of the request
 * @m:		What it says
 * @out:	LOCAL_PACKET_MAX bytes
 *
 * Return: its length
 */
size_t cast_encode_ask(uint32_t id, const struct cast_part *m, uint8_t *out);
size_t cast_encode_local_told(uint32_t id, const struct cast_told *m, uint8_t *out);

/**
 * cast_decode_ask() - Read a LOCAL_CAST packet; likewise cast_decode_local_told()
 * @in:		Whole packet, whose header said so
 * @len:	Its length
 * @m:		Set on success; a reason that is not in the enum is MOVE_ERROR
 *
 * Return: 0, -EPROTO
 */
int cast_decode_ask(const uint8_t *in, size_t len, struct cast_part *m);
int cast_decode_local_told(const uint8_t *in, size_t len, struct cast_told *m);

/* Whether its datagrams go through an interface of @mtu bytes in one piece. */
bool cast_fits(const struct cast *m, int mtu);

/**
 * cast_encode() - Write a MSG_CAST; likewise cast_encode_told(), a MSG_CAST_TOLD
 * @m:		Message
 * @out:	Room for the bytes
 * @room:	CAST_LEN and CAST_TOLD_LEN are enough
 *
 * Return: bytes written, -EMSGSIZE
 */
int cast_encode(const struct cast *m, uint8_t *out, size_t room);
int cast_encode_told(const struct cast_told *m, uint8_t *out, size_t room);

/**
 * cast_decode() - Read a MSG_CAST; likewise cast_decode_told(), a MSG_CAST_TOLD
 * @in:		Payload from the peer, a private copy
 * @len:	Its length
 * @m:		Set on success
 *
 * Return: 0, -EPROTO
 */
int cast_decode(const uint8_t *in, size_t len, struct cast *m);
int cast_decode_told(const uint8_t *in, size_t len, struct cast_told *m);

#endif
