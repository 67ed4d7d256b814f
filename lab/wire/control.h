/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control.h - the control socket: marks, settings, rules and questions from outside
 *
 * Runs in: hylics-wire
 * Reads from: whoever may open the socket, which is made for its owner only; strict
 */
#ifndef WIRE_CONTROL_H
#define WIRE_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "lab/wire/wire_limits.h"

struct wire;

enum control_wait { CONTROL_NO_WAIT, CONTROL_WAIT_MARK, CONTROL_WAIT_RULE, CONTROL_WAIT_EMPTY };

struct control_client {
	int fd;				/* -1: free */
	uint32_t generation;		/* counts who has had this place */
	bool ended;			/* it will say nothing more */
	enum control_wait wait;		/* its next line is not read before this came true */
	int object;			/* mark or rule waited for */
	uint64_t count;			/* how often */
	unsigned int n;
	char line[WIRE_LINE_MAX + 1];
};

struct control {
	struct wire *wire;
	int fd;				/* -1: no control socket */
	const char *path;
	struct control_client client[WIRE_CLIENTS_MAX];
};

/**
 * control_open() - Listen
 * @c:		Filled; control_close() gives back
 * @w:		What is controlled; its epoll_fd exists
 * @path:	Socket to make; NULL: none; a socket nobody listens on any more is replaced
 * @e:		Error
 */
int control_open(struct control *c, struct wire *w, const char *path, struct hy_err *e);
void control_close(struct control *c);

/* Somebody connects. */
void control_accept(struct control *c);

/* Something happened to a client; an old generation is ignored. */
void control_event(struct control *c, unsigned int index, uint32_t generation, uint32_t events);

/* Answers clients whose wait has come true. */
void control_check_waits(struct control *c);

#endif
