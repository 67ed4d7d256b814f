/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue.c - the delay line: slots in the order they are due
 *
 * Runs in: hylics-wire
 * Reads from: no untrusted input
 *
 * A binary heap. Most frames are due later than all before them, and then a push moves nothing.
 */
#include "lab/wire/queue.h"

static bool before(const struct queue_entry *x, const struct queue_entry *y)
{
	return x->due_ns < y->due_ns || (x->due_ns == y->due_ns && x->order < y->order);
}

void queue_push(struct queue *q, uint32_t slot, uint64_t due_ns)
{
	struct queue_entry new = { .due_ns = due_ns, .order = q->order++, .slot = slot };
	uint32_t i = q->n++;

	while (i > 0 && before(&new, &q->heap[(i - 1) / 2])) {
		q->heap[i] = q->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	q->heap[i] = new;
}

uint64_t queue_due(const struct queue *q)
{
	return q->n ? q->heap[0].due_ns : UINT64_MAX;
}

static void sink(struct queue *q, struct queue_entry last)
{
	uint32_t i = 0, child;

	while ((child = 2 * i + 1) < q->n) {
		if (child + 1 < q->n && before(&q->heap[child + 1], &q->heap[child]))
			child++;
		if (!before(&q->heap[child], &last))
			break;
		q->heap[i] = q->heap[child];
		i = child;
	}
	q->heap[i] = last;
}

bool queue_pop(struct queue *q, uint64_t now_ns, uint32_t *slot)
{
	if (queue_due(q) > now_ns || !q->n)
		return false;
	*slot = q->heap[0].slot;
	if (--q->n)
		sink(q, q->heap[q->n]);
	return true;
}
