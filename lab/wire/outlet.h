/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * outlet.h - the end of a direction: frames that are to be sent now
 *
 * Runs in: hylics-wire
 * Reads from: no untrusted input
 */
#ifndef WIRE_OUTLET_H
#define WIRE_OUTLET_H

#include <stdint.h>

#include "lab/wire/path.h"

/* Puts a slot at the end of the ring, which has room for every slot of the pool. */
void outlet_add(struct path *p, uint32_t slot);

/**
 * outlet_send() - Send what can be sent
 * @p:		Direction
 * @now_ns:	Time
 *
 * Counts and records what went. A receiver without room is asked again later; one that takes
 * nothing for WIRE_STUCK_NS loses its frames until it takes one.
 */
void outlet_send(struct path *p, uint64_t now_ns);

/* When outlet_send() is to be called again, UINT64_MAX if nothing waits. */
uint64_t outlet_next_ns(const struct path *p, uint64_t now_ns);

#endif
