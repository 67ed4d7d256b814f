/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * area.c - memory for the queues of the few connections that are on their way at the same time
 *
 * Runs in: hylics-worker
 * Reads from: no untrusted input
 */
#include "hylics-worker/area.h"

#include <errno.h>
#include <sys/mman.h>

int areas_open(struct areas *t, struct hy_err *e)
{
	void *at = mmap(NULL, (size_t)HY_MOVES_MAX * HY_TCP_QUEUE_MAX, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return hy_err_set(e, errno, "memory for the queues of connections");
	t->bytes = at;
	for (unsigned int i = 0; i < HY_MOVES_MAX; i++) {
		t->at[i] = (struct area){ 0 };
		t->at[i].img.bytes = t->bytes + (size_t)i * HY_TCP_QUEUE_MAX;
		t->at[i].img.room = HY_TCP_QUEUE_MAX;
	}
	return 0;
}

void areas_close(struct areas *t)
{
	if (t->bytes)
		munmap(t->bytes, (size_t)HY_MOVES_MAX * HY_TCP_QUEUE_MAX);
	t->bytes = NULL;
}

struct area *area_take(struct areas *t, struct conn *owner)
{
	for (unsigned int i = 0; i < HY_MOVES_MAX; i++) {
		struct area *a = &t->at[i];

		if (a->owner || a->sending)
			continue;
		a->owner = owner;
		a->head = a->rest = a->got = 0;
		return a;
	}
	return NULL;
}

static void give_back(struct area *a)
{
	if (!a->owner && !a->sending)
		madvise(a->img.bytes, a->img.room, MADV_DONTNEED);
}

void area_release(struct area *a)
{
	if (!a)
		return;
	a->owner = NULL;
	give_back(a);
}

static void sent(struct chan_stream *s, int rc)
{
	struct area *a = s->object;

	(void)rc;		/* a session that ended is told to everybody by itself */
	a->sending = false;
	give_back(a);
}

int area_send(struct area *a, struct chan *chan, uint32_t id)
{
	int rc;

	a->stream = (struct chan_stream){ .type = MSG_QUEUE, .id = id, .done = sent, .object = a,
					  .data = a->img.bytes + a->head, .total = a->rest };
	a->sending = true;
	rc = chan_send_stream(chan, &a->stream);
	if (rc < 0)
		a->sending = false;
	return rc;
}
