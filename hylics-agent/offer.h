/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * offer.h - a connection goes to the host, or does not
 *
 * Runs in: hylics-agent
 * Reads from: the host over the channel (checked); the program's socket
 */
#ifndef AGENT_OFFER_H
#define AGENT_OFFER_H

#include "hylics-agent/agent.h"

/**
 * offer() - Freeze, dump, and offer a connection to the host, its first items right behind it
 * @a:		Agent
 * @c:		LOCAL, not yet served; OFFERED afterwards, or LOCAL with the reason against it,
 *		or gone; or still not served, because too much is in flight (tcpmove/drain.h)
 */
void offer(struct agent *a, struct conn *c);

/* MSG_ADOPTED, MSG_REFUSED */
int offer_take_adopted(struct agent *a, const struct message *msg);
int offer_take_refused(struct agent *a, const struct message *msg);

/* The host has it: the kept socket falls silent a little later. */
void offer_adopted(struct agent *a, struct conn *c);

/* The host has it not: the kept socket goes on as if nothing had been. */
void offer_undo(struct agent *a, struct conn *c, enum move_reason reason, enum why_by by);

void offer_drained(void *object, struct due *d);	/* due HY_DRAIN_LOOK_MS after a look */
void offer_silence(void *object, struct due *d);	/* due HY_SILENCE_MS after the adoption */
void offer_unanswered(void *object, struct due *d);	/* due HY_OFFER_WAIT_MS after an offer */

/* The kept socket is silenced now, if it is not. Return: 0, -errno: the connection was reset. */
int offer_silence_now(struct agent *a, struct conn *c);

#endif
