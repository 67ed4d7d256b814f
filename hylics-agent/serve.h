/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serve.h - a connection that is in the guest: the agent carries bytes between pair and kept socket
 *
 * Runs in: hylics-agent
 * Reads from: the program through its pair, its client through the socket (both hostile)
 */
#ifndef AGENT_SERVE_H
#define AGENT_SERVE_H

#include "hylics-agent/agent.h"

extern const struct ev_class serve_kept_class;

/**
 * serve_start() - Begin, or go on
 * @a:	Agent
 * @c:	LOCAL, the kept socket live; may be gone afterwards
 */
void serve_start(struct agent *a, struct conn *c);
void serve_pair(struct agent *a, struct conn *c, uint32_t events);	/* the pair's events */

/* Note what the kernel has counted, so that a successor knows how far this one has come. */
void serve_count(struct agent *a, struct conn *c);

/* Nothing is under way in either direction, and neither has ended. */
bool serve_is_idle(struct agent *a, struct conn *c);

#endif
