/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pacing.h - when the next datagrams of a file are due, at a rate
 *
 * Runs in: libhylics, hylics-worker
 * Reads from: no untrusted input; size and rate were checked
 *
 * Pure. A pace is a time: when the next datagram is due. Each one that was sent moves it on by its
 * bytes over the rate. Whoever comes late has a little to catch up, and the rest is forgotten.
 */
#ifndef HY_PACING_H
#define HY_PACING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"

/* How a file is cut: bytes of a datagram, the last may have fewer; and of all of them a second. */
struct pacing {
	uint32_t bytes;
	uint64_t rate;
};

/* Whether a pace can be kept: neither is 0 nor beyond HY_DATAGRAM_MAX, HY_PACE_RATE_MAX. */
bool pacing_is_good(const struct pacing *p);

/**
 * pacing_now() - Begin a turn: forget what is too late
 * @due_ns:	When the next datagram was due; 0: none was ever sent
 * @now_ns:	By the same clock
 *
 * Return: when it is due
 */
uint64_t pacing_now(uint64_t due_ns, uint64_t now_ns);

/**
 * pacing_burst() - What is due now and may leave in one burst
 * @p:		Good
 * @due_ns:	From pacing_now()
 * @now_ns:	As given to it
 * @left:	Bytes there are
 *
 * Return: bytes, whole datagrams unless it is all of @left; 0: nothing is due
 */
size_t pacing_burst(const struct pacing *p, uint64_t due_ns, uint64_t now_ns, uint64_t left);

/* Bytes were sent: when the next are due. */
uint64_t pacing_sent(const struct pacing *p, uint64_t due_ns, size_t sent);

/* How long to wait from @now_ns on, in ms, so that what becomes due meanwhile leaves together. */
uint64_t pacing_wait_ms(uint64_t due_ns, uint64_t now_ns);

/* Bytes of whole datagrams, at least one, that so many ms of the rate are; at most 2^63 - 1. */
uint64_t pacing_span(const struct pacing *p, uint32_t ms);

#endif
