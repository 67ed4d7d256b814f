/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * area.c - memory for the queues of the few connections that are on their way at the same time
 *
 * Runs in: hylics-agent
 * Reads from: no untrusted input
 */
#include "hylics-agent/area.h"

#include <sys/mman.h>

void areas_open(struct areas *t, uint8_t *memory)
{
	for (unsigned int i = 0; i < HY_MOVES_MAX; i++) {
		uint8_t *at = memory + i * AREA_SIZE;

		t->at[i] = (struct area){ .head = (struct area_head *)at };
		t->at[i].img.bytes = at + AREA_BYTES_AT;
		t->at[i].img.room = HY_TCP_QUEUE_MAX;
	}
}

static void use(struct area *a, struct conn *owner)
{
	a->owner = owner;
	a->got = a->want = 0;
}

struct area *area_take(struct areas *t, struct conn *owner)
{
	for (unsigned int i = 0; i < HY_MOVES_MAX; i++) {
		if (t->at[i].owner || t->at[i].sending)
			continue;
		use(&t->at[i], owner);
		return &t->at[i];
	}
	return NULL;
}

/* MADV_REMOVE gives the pages of the file back, not only this mapping of them. */
static void give_back(struct area *a)
{
	if (a->owner || a->sending)
		return;
	a->head->record_len = 0;
	madvise(a->img.bytes, a->img.room, MADV_REMOVE);
}

void area_release(struct area *a)
{
	if (!a)
		return;
	a->owner = NULL;
	give_back(a);
}

uint32_t area_number(const struct areas *t, const struct area *a)
{
	return (uint32_t)(a - t->at);
}

struct area *area_again(struct areas *t, uint32_t number, struct conn *owner)
{
	if (number >= HY_MOVES_MAX || t->at[number].owner)
		return NULL;
	use(&t->at[number], owner);
	return &t->at[number];
}

static void sent(struct chan_stream *s, int rc)
{
	struct area *a = s->object;

	(void)rc;		/* that a session has ended is told to everybody by itself */
	a->sending = false;
	give_back(a);
}

int area_send(struct area *a, struct chan *chan, uint32_t id, uint32_t from)
{
	uint32_t total = a->img.rec.recv_len + a->img.rec.send_len;
	int rc;

	a->stream = (struct chan_stream){ .type = MSG_QUEUE, .id = id, .done = sent, .object = a,
					  .data = a->img.bytes + from, .total = total - from };
	a->sending = true;
	rc = chan_send_stream(chan, &a->stream);
	if (rc < 0)
		a->sending = false;
	return rc;
}
