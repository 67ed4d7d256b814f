/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * answer.h - one connection of the server: read a request, its upload, send the answer, again
 *
 * Runs in: hylics-talk server
 * Reads from: clients (strict: who sends no request is dropped)
 *
 * DOC: Blocking or not
 *
 * The same steps serve both kinds of socket. On a blocking one a step waits inside its system
 * calls and answer_step() returns only to end the connection. On a non-blocking one it returns what
 * to wait for as soon as a call says EAGAIN. While an upload comes during the answer, a blocking
 * connection reads what is there between two pieces and waits for the rest before the verdict.
 */
#ifndef TALK_ANSWER_H
#define TALK_ANSWER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lab/talk/request.h"
#include "lab/talk/talk_limits.h"

/* Mistakes made on purpose, in the middle of each answer: a client must see every one. */
#define ANSWER_FAULTS(X) X(NONE, none) X(WRONG, wrong) X(SHORT, short) X(RESET, reset) \
	X(STUCK, stuck) X(EXTRA, extra)

#define X(upper, lower) FAULT_##upper,
enum answer_fault { ANSWER_FAULTS(X) };
#undef X

#define ANSWER_COUNTERS(X) X(connections) X(requests) X(bad_requests) X(bytes_sent) \
	X(file_bytes_sent) X(sendfile_calls) X(would_block) X(upload_bytes) X(upload_bytes_wrong) \
	X(closed_early) X(send_errors) X(receive_errors) X(offset_wrong) \
	X(epoll_errors)

/* Counted by all threads. */
struct answer_counts {
#define X(name) _Atomic uint64_t name;
	ANSWER_COUNTERS(X)
#undef X
};

typedef ssize_t (*sendfile_fn)(int sock, int fd, off_t *offset, size_t count);

/* What all connections of a server share; only the counts change. */
struct answerer {
	int file;
	uint64_t file_size;
	sendfile_fn sendfile;
	enum answer_fault fault;
	uint64_t *call_ns;		/* when each answer's file was begun */
	uint64_t call_room;		/* of the first so many */
	_Atomic uint64_t calls;
	struct answer_counts counts;
};

enum answer_state { ANSWER_FREE, ANSWER_REQUEST, ANSWER_SENDING, ANSWER_ENDING };

struct answer {
	int fd;
	enum answer_state state;
	uint8_t raw[REQUEST_BYTES];
	size_t raw_have;
	struct request request;
	uint64_t total, sent;
	uint64_t upload, upload_wrong;	/* bytes read; first wrong position */
	bool faulted;
};

/* What answer_step() waits for. */
enum { ANSWER_END = 0, ANSWER_IN = 1 << 0, ANSWER_OUT = 1 << 1 };

/**
 * answer_begin() - A connection was accepted
 * @a:	Filled
 * @s:	Its server
 * @fd:	The connection, the caller's
 */
void answer_begin(struct answer *a, struct answerer *s, int fd);

/**
 * answer_step() - Go on as far as the connection lets
 * @a:		The connection
 * @s:		Its server
 * @chunk:	TALK_CHUNK bytes to work in, this thread's
 *
 * Return: ANSWER_IN and ANSWER_OUT as the case may be, or ANSWER_END: to be closed
 */
int answer_step(struct answer *a, struct answerer *s, uint8_t *chunk);

#endif
