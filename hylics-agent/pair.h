/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pair.h - the agent's end of a program's pair: look without taking, take, deliver
 *
 * Runs in: hylics-agent
 * Reads from: the program at the other end (hostile)
 *
 * docs/kernel.md, "The pair", has what the kernel promises about peeking with an offset into a
 * unix stream that carries descriptors.
 */
#ifndef AGENT_PAIR_H
#define AGENT_PAIR_H

#include "hylics-agent/agent.h"

enum pair_found {
	PAIR_NOTHING,			/* now */
	PAIR_BYTES,			/* plain ones, a marker, or plain ones and then a marker */
	PAIR_SHUT,			/* the program will send no more */
	PAIR_CLOSED,			/* the program has closed */
	PAIR_RESET,			/* it has closed with bytes unread, or is no pair of ours */
};

struct pair_look {
	const uint8_t *plain;		/* in the agent's scratch, until the next look */
	uint32_t plain_len;
	bool has_marker;
	struct local_marker marker;
	int file;			/* the marker's, the caller's from here on; -1: none */
};

/**
 * pair_look() - What stands in the pair behind what was looked at before
 * @a:		Agent
 * @c:		Connection; peek_at is moved on
 * @plain_max:	Plain bytes wanted, at least 1
 * @look:	Filled if PAIR_BYTES
 *
 * Return: enum pair_found
 */
enum pair_found pair_look(struct agent *a, struct conn *c, uint32_t plain_max,
			  struct pair_look *look);

/**
 * pair_take() - Take plain bytes, or one marker, out of the pair's head; tell who waits for it
 * @a:		Agent
 * @c:		Connection
 * @bytes:	How many in the stream; of a marker its whole length
 * @marker:	It, NULL for plain bytes
 *
 * Return: 0, -EPROTO: what stands there is not what was seen there
 */
int pair_take(struct agent *a, struct conn *c, uint64_t bytes, const struct item *marker);

/**
 * pair_deliver() - Give the program bytes of the client's
 * @a:		Agent
 * @c:		Connection; its count of delivered bytes is moved on
 * @bytes:	They
 * @len:	How many
 *
 * Return: how many it took, perhaps 0; -EPIPE: nobody reads there any more
 */
ssize_t pair_deliver(struct agent *a, struct conn *c, const uint8_t *bytes, size_t len);

/*
 * What waits because the program wants it so ends with EINTR 50 ms after this was set on.
 * Return, of setting it off: whether it has rung
 */
bool pair_alarm(bool on);

/* Fit a pair's end for all this. */
int pair_prepare(int pair);

#endif
