/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * down.h - from the program to the client, as long as the host has the connection
 *
 * Runs in: hylics-agent
 * Reads from: the program through its pair (hostile); the host over the channel (checked)
 */
#ifndef AGENT_DOWN_H
#define AGENT_DOWN_H

#include "hylics-agent/agent.h"

extern const struct ev_class down_pair_class;	/* a pair, whatever the connection's state */

/**
 * down_sent() - Whoever owns the connection has all up to a position: take it out of the pair
 * @a:		Agent
 * @c:		Connection; gone if it returns false
 * @pos:	Position
 *
 * Return: false: what stands in the pair is not what was seen there; the connection was reset
 */
bool down_sent(struct agent *a, struct conn *c, uint64_t pos);

/* Whether the host may say that it has come so far. */
bool down_may_be(const struct conn *c, uint64_t pos);

/* OWES_ITEMS: tell the host what stands in the pair. Return: 0, -EAGAIN, CONN_GONE. */
int down_pay(struct agent *a, struct conn *c);

/* MSG_SENT, MSG_STUCK */
int down_take_sent(struct agent *a, const struct message *msg);
int down_take_stuck(struct agent *a, const struct message *msg);

#endif
