/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * up.h - from the client to the program, as long as the host has the connection
 *
 * Runs in: hylics-agent
 * Reads from: the host over the channel (checked)
 */
#ifndef AGENT_UP_H
#define AGENT_UP_H

#include "hylics-agent/agent.h"

/* MSG_UP, MSG_ENDED */
int up_take(struct agent *a, const struct message *msg);
int up_take_ended(struct agent *a, const struct message *msg);

/* An answer that would have taken the word along has not come: of a due queue. */
void up_taken_late(void *object, struct due *d);

/* The client's FIN reaches the program, once. */
void up_end(struct conn *c);

#endif
