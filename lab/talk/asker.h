/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * asker.h - one connection of the client: asks, uploads, checks, pauses, asks again
 *
 * Runs in: hylics-talk client
 * Reads from: the bytes of a server (hostile: compared, never believed)
 *
 * DOC: States
 *
 *	IDLE		no request; at its time the next one begins, on a new connection if need be
 *	CONNECTING	connect() is under way
 *	TALKING		request and upload go out, the answer comes in
 *	ENDING		the answer is whole, and the server's FIN is waited for: after the last
 *			request, after --half-close and --close-after; what comes before it is
 *			one byte too many
 *	DONE		all requests were made
 *
 * A request whose connection fails is counted under what happened, and not made again.
 */
#ifndef TALK_ASKER_H
#define TALK_ASKER_H

#include <stdbool.h>
#include <stdint.h>

#include "lab/talk/address.h"
#include "lab/talk/checker.h"
#include "lab/talk/range.h"
#include "lab/talk/verdict.h"

/* What all connections of a client share; only the verdict changes. */
struct asking {
	struct address server;
	const uint8_t *file;
	uint64_t file_size;
	uint64_t requests;			/* of each connection */
	uint64_t seed;
	struct range head, offset, file_bytes, tail, upload, slice;
	bool whole_file;			/* no file_bytes: all from the offset on */
	uint32_t flags;				/* REQUEST_... */
	uint64_t think_ns, stall_ns, stuck_ns;	/* 0: none */
	uint64_t read_rate;			/* bytes/s of a connection; 0: no limit */
	uint64_t abort_at;			/* 0: never */
	int rcvbuf;				/* 0: the kernel's */
	bool half_close;
	bool wrong_upload;			/* a mistake on purpose */
	int epoll;
	struct verdict *verdict;
	uint8_t *chunk;				/* TALK_CHUNK bytes to work in */
};

enum asker_state { ASKER_IDLE, ASKER_CONNECTING, ASKER_TALKING, ASKER_ENDING, ASKER_DONE };

struct asker {
	enum asker_state state;
	int fd;
	uint32_t index;			/* number of the connection */
	uint32_t waits_for;		/* EPOLLIN, EPOLLOUT */
	uint64_t next;			/* number of the request that is made or comes next */
	struct request request;
	uint8_t raw[REQUEST_BYTES];
	size_t raw_sent;
	uint64_t uploaded;
	bool said_all;			/* request, upload, and FIN if there is to be one */
	struct checker checker;
	uint64_t asked_ns, first_ns;	/* first byte out, first byte in */
	uint64_t progress_ns;		/* a byte last went or came */
	uint64_t wake_ns;		/* paused until then; 0: not */
	uint64_t rate_ns, rate_bytes;	/* reading: since when, how much */
	bool stalled;			/* has had its pause in this answer */
};

/**
 * asker_begin() - A connection that asks at once
 * @a:		Filled
 * @index:	Its number
 */
void asker_begin(struct asker *a, uint32_t index);

/**
 * asker_event() - Its socket can be read or written, or failed
 * @a:	The connection
 * @s:	What is asked
 */
void asker_event(struct asker *a, struct asking *s);

/**
 * asker_clock() - Time has gone by
 * @a:		The connection
 * @s:		What is asked
 * @now_ns:	Now
 *
 * Return: when to call again; UINT64_MAX when it is done
 */
uint64_t asker_clock(struct asker *a, struct asking *s, uint64_t now_ns);

/**
 * asker_request() - The request a connection makes: decided by the seed and the two numbers
 * @s:		What is asked
 * @index:	Number of the connection
 * @number:	Of the request
 * @r:		Filled; request_fault() finds nothing
 */
void asker_request(const struct asking *s, uint32_t index, uint64_t number, struct request *r);

#endif
