/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * local.h - what programs in the guest say to their agent: packets on agent.sock
 *
 * Runs in: hylics-agent, hylics-guest, libhylics
 * Reads from: any program of the guest (hostile to the agent); the agent's answers are checked too
 *
 * One packet (SOCK_SEQPACKET) is one message: a header of 8 bytes and a payload. Every request
 * has one answer with its id. docs/wire.md has the bytes.
 */
#ifndef HY_PROTO_LOCAL_H
#define HY_PROTO_LOCAL_H

#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"

#define LOCAL_VERSION 1
#define LOCAL_HEADER_LEN 8
#define LOCAL_PACKET_MAX 1024

enum local_type {
	LOCAL_ASK_STATUS = 1,	/* no payload */
	LOCAL_STATUS = 2,	/* struct local_status */
	LOCAL_ERROR = 3,	/* struct local_error */
};

struct local_header {
	uint16_t type;
	uint32_t id;
};

struct local_status {
	uint8_t channel_state;		/* enum chan_state */
	uint8_t transport;		/* enum chan_kind */
	uint32_t epoch, peer_epoch;
	uint64_t sessions, resyncs, faults, silences, uptime_ms;
	char software[HY_VERSION_TEXT_MAX];		/* the agent's */
	char peer_software[HY_VERSION_TEXT_MAX];	/* the worker's; empty unless up */
};

struct local_error {
	uint16_t num;		/* positive errno */
	char words[128];
};

/**
 * local_encode_status() - Write a whole status packet
 * @id:		Of the request
 * @s:		Status
 * @out:	LOCAL_PACKET_MAX bytes
 *
 * Return: its length
 */
size_t local_encode_status(uint32_t id, const struct local_status *s, uint8_t *out);
size_t local_encode_error(uint32_t id, const struct local_error *err, uint8_t *out);
size_t local_encode_ask_status(uint32_t id, uint8_t *out);

/**
 * local_decode_header() - Read a packet's header
 * @in:		Packet, a private copy
 * @len:	Its length
 * @h:		Set on success
 *
 * Return: 0, -EPROTO
 */
int local_decode_header(const uint8_t *in, size_t len, struct local_header *h);

/**
 * local_decode_status() - Read a status packet's payload
 * @in:		Whole packet, whose header said LOCAL_STATUS
 * @len:	Its length
 * @s:		Set on success
 *
 * Return: 0, -EPROTO
 */
int local_decode_status(const uint8_t *in, size_t len, struct local_status *s);
int local_decode_error(const uint8_t *in, size_t len, struct local_error *err);

#endif
