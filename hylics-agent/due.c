/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * due.c - things that fall due after one and the same time, with one timer for all of them
 *
 * Runs in: hylics-agent
 * Reads from: no untrusted input
 */
#include "hylics-agent/due.h"

#include <stddef.h>

#include "common/clock.h"

static void set_timer(struct due_queue *q)
{
	uint64_t now = hy_clock_ms();

	if (!q->first)
		ev_timer_cancel(q->loop, &q->timer);
	else
		(void)ev_timer_set(q->loop, &q->timer,
				   q->first->at_ms > now ? q->first->at_ms - now : 0);
}

static void on_timer(void *object)
{
	struct due_queue *q = object;
	uint64_t now = hy_clock_ms();

	while (q->first && q->first->at_ms <= now) {
		struct due *d = q->first;

		due_cancel(q, d);
		q->fn(q->object, d);
	}
	set_timer(q);
}

void due_open(struct due_queue *q)
{
	q->first = q->last = NULL;
	q->timer = (struct ev_timer){ .fn = on_timer, .object = q };
}

void due_add(struct due_queue *q, struct due *d)
{
	if (d->waits)
		return;
	*d = (struct due){ .at_ms = hy_clock_ms() + q->after_ms, .prev = q->last, .waits = true };
	if (q->last)
		q->last->next = d;
	else
		q->first = d;
	q->last = d;
	if (q->first == d)
		set_timer(q);
}

void due_cancel(struct due_queue *q, struct due *d)
{
	if (!d->waits)
		return;
	if (d->prev)
		d->prev->next = d->next;
	else
		q->first = d->next;
	if (d->next)
		d->next->prev = d->prev;
	else
		q->last = d->prev;
	*d = (struct due){ 0 };
	if (!q->first)
		set_timer(q);
}
