/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pacing.c - when the next datagrams of a file are due, at a rate
 *
 * Runs in: libhylics, hylics-worker
 * Reads from: no untrusted input; size and rate were checked
 */
#include "common/pacing.h"

#include "common/clock.h"

_Static_assert(HY_PACE_RATE_MAX <= UINT64_MAX / HY_NS_PER_S, "a part of a second is 64 bits");

bool pacing_is_good(const struct pacing *p)
{
	return p->bytes > 0 && p->bytes <= HY_DATAGRAM_MAX && p->rate > 0 &&
	       p->rate <= HY_PACE_RATE_MAX;
}

/* Rounded up, so that a rate is never exceeded; at least 1 ns. */
static uint64_t ns_of(const struct pacing *p, uint64_t bytes)
{
	uint64_t part = bytes % p->rate * HY_NS_PER_S;

	return bytes / p->rate * HY_NS_PER_S + part / p->rate + (part % p->rate != 0);
}

uint64_t pacing_now(uint64_t due_ns, uint64_t now_ns)
{
	const uint64_t late_ns = (uint64_t)HY_PACE_LATE_MS * HY_NS_PER_MS;

	if (due_ns == 0)
		return now_ns;
	return now_ns > due_ns && now_ns - due_ns > late_ns ? now_ns - late_ns : due_ns;
}

/* Datagrams due in a time that is no longer than HY_PACE_LATE_MS. */
static uint64_t n_due(const struct pacing *p, uint64_t late_ns)
{
	/* below 2^25 ns; with a rate below 2^34 the product has 59 bits */
	return 1 + late_ns * p->rate / HY_NS_PER_S / p->bytes;
}

size_t pacing_burst(const struct pacing *p, uint64_t due_ns, uint64_t now_ns, uint64_t left)
{
	uint64_t most = HY_DATAGRAM_MAX / p->bytes, due;

	if (now_ns < due_ns)
		return 0;
	due = n_due(p, now_ns - due_ns);
	if (most > HY_BURST_DATAGRAMS)
		most = HY_BURST_DATAGRAMS;
	if (due > most)
		due = most;
	due *= p->bytes;
	return (size_t)(due < left ? due : left);
}

uint64_t pacing_sent(const struct pacing *p, uint64_t due_ns, size_t sent)
{
	return due_ns + ns_of(p, sent);
}

uint64_t pacing_wait_ms(uint64_t due_ns, uint64_t now_ns)
{
	uint64_t ns = due_ns > now_ns ? due_ns - now_ns : 0;
	uint64_t ms = ns / HY_NS_PER_MS + (ns % HY_NS_PER_MS != 0);

	return ms > HY_PACE_TICK_MS ? ms : HY_PACE_TICK_MS;
}

uint64_t pacing_span(const struct pacing *p, uint32_t ms)
{
	/* below 2^34 and 2^32; what is a rate's worth of a second's part loses less than a byte */
	uint64_t bytes = p->rate / 1000 * ms + p->rate % 1000 * ms / 1000;

	bytes -= bytes % p->bytes;
	return bytes ? bytes : p->bytes;
}
