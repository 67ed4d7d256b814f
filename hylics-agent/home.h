/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * home.h - a connection comes home from the host
 *
 * Runs in: hylics-agent
 * Reads from: the host over the channel (checked)
 */
#ifndef AGENT_HOME_H
#define AGENT_HOME_H

#include "hylics-agent/agent.h"

/* Ask the host for a connection, once. */
void home_ask(struct agent *a, struct conn *c);

/* The same if its traffic has been small since the last slice. */
void home_if_small(struct agent *a, struct conn *c);

/* Ask for so many connections as may be on their way home at the same time. */
void home_ask_more(struct agent *a);

/* MSG_HOME_OFFER, MSG_QUEUE, MSG_HOME_DONE */
int home_take_offer(struct agent *a, const struct message *msg);
int home_take_queue(struct agent *a, const struct message *msg);
int home_take_done(struct agent *a, const struct message *msg);

/* The kept socket was rebuilt, and nobody else has the connection: it speaks from here on. */
void home_live(struct agent *a, struct conn *c);

/* The host has the connection still: the kept socket falls silent again. */
void home_undo(struct agent *a, struct conn *c);

#endif
