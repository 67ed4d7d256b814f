/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * outlet.c - the end of a direction: frames that are to be sent now
 *
 * Runs in: hylics-wire
 * Reads from: no untrusted input
 */
#include "lab/wire/outlet.h"

#include <errno.h>

void outlet_add(struct path *p, uint32_t slot)
{
	struct path_outlet *o = &p->outlet;

	o->slot[(o->head + o->n++) % p->pool.slots] = slot;
}

static struct pool_slot *first(const struct path *p, uint32_t i)
{
	const struct path_outlet *o = &p->outlet;

	return pool_at(&p->pool, o->slot[(o->head + i) % p->pool.slots]);
}

static void remove_first(struct path *p)
{
	struct path_outlet *o = &p->outlet;

	pool_give(&p->pool, o->slot[o->head]);
	o->head = (o->head + 1) % p->pool.slots;
	o->n--;
}

static void went(struct path *p, unsigned int n)
{
	for (; n > 0; n--) {
		struct pool_slot *s = first(p, 0);

		p->stats.frames_out++;
		p->stats.bytes_out += s->len;
		pcap_frame(p->common->passed, p->direction, s->bytes, s->len, NULL);
		remove_first(p);
	}
	p->outlet.stuck_since_ns = 0;
	p->outlet.given_up = false;
}

static void give_up_first(struct path *p)
{
	struct pool_slot *s = first(p, 0);

	p->stats.unsent++;
	path_record_drop(p, s->bytes, s->len, "not taken by the receiver");
	remove_first(p);
}

/* Returns true if the frame is to be tried again later. */
static bool patient(struct path *p, uint64_t now_ns)
{
	struct path_outlet *o = &p->outlet;

	if (!o->stuck_since_ns)
		o->stuck_since_ns = now_ns;
	if (now_ns - o->stuck_since_ns > WIRE_STUCK_NS)
		o->given_up = true;
	return !o->given_up;
}

void outlet_send(struct path *p, uint64_t now_ns)
{
	struct link_out out[WIRE_BATCH];
	unsigned int n;
	int sent;

	while (p->outlet.n > 0) {
		for (n = 0; n < WIRE_BATCH && n < p->outlet.n; n++)
			out[n] = (struct link_out){ first(p, n)->bytes, first(p, n)->len };
		sent = link_send(p->to, out, n);
		if (sent > 0)
			went(p, (unsigned int)sent);
		else if (sent == -EAGAIN && patient(p, now_ns))
			return;
		else
			give_up_first(p);
	}
}

uint64_t outlet_next_ns(const struct path *p, uint64_t now_ns)
{
	return p->outlet.n ? now_ns + WIRE_RETRY_NS : UINT64_MAX;
}
