/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ask.h - a question to the agent, and its answer
 *
 * Runs in: hylics-guest
 * Reads from: the agent (checked)
 */
#ifndef GUEST_ASK_H
#define GUEST_ASK_H

#include "common/err.h"
#include "proto/local.h"

/**
 * ask_connect() - Reach the agent
 * @dir:	Its run directory; NULL: $HYLICS_RUN_DIR, else /run/hylics
 * @e:		Error
 *
 * Return: a socket, -errno
 */
int ask_connect(const char *dir, struct hy_err *e);

/* The same, and its answers, within a time; ask_connect() has 5 s. */
int ask_connect_within(const char *dir, uint64_t patience_ms, struct hy_err *e);

/**
 * ask_agent() - Send a request, wait for its answer
 * @fd:		From ask_connect()
 * @buf:	LOCAL_PACKET_MAX bytes: the request, then the answer
 * @len:	The request's
 * @type:	That the answer must have
 * @e:		Error
 *
 * Return: the answer's length, -errno: perhaps one that the agent has answered with
 */
int ask_agent(int fd, uint8_t *buf, size_t len, enum local_type type, struct hy_err *e);

/* The error for an answer whose payload is no sense. */
int ask_unreadable(struct hy_err *e);

#endif
