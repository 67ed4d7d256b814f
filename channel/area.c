/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * area.c - memory for the queues of the few connections that are on their way at the same time
 *
 * Runs in: hylics-agent, hylics-worker
 * Reads from: the peer's messages (hostile)
 */
#include "channel/area.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

void areas_open(struct areas *t, void *memory, size_t ahead, int advice)
{
	const size_t size = ahead + HY_TCP_QUEUE_MAX;

	for (unsigned int i = 0; i < HY_MOVES_MAX; i++) {
		uint8_t *at = (uint8_t *)memory + i * size;

		t->at[i] = (struct area){ .memory = at, .size = size, .advice = advice };
		t->at[i].img.bytes = at + ahead;
		t->at[i].img.room = HY_TCP_QUEUE_MAX;
	}
}

static struct area *use(struct area *a)
{
	a->taken = true;
	a->head = a->rest = a->got = 0;
	return a;
}

struct area *area_take(struct areas *t)
{
	for (unsigned int i = 0; i < HY_MOVES_MAX; i++) {
		if (!t->at[i].taken && !t->at[i].sending)
			return use(&t->at[i]);
	}
	return NULL;
}

/* syscalls: madvise */
static void give_back(struct area *a)
{
	if (!a->taken && !a->sending)
		madvise(a->memory, a->size, a->advice);
}

void area_release(struct area *a)
{
	if (!a)
		return;
	a->taken = false;
	give_back(a);
}

uint32_t area_number(const struct areas *t, const struct area *a)
{
	return (uint32_t)(a - t->at);
}

struct area *area_again(struct areas *t, uint32_t number)
{
	return number < HY_MOVES_MAX && !t->at[number].taken ? use(&t->at[number]) : NULL;
}

bool area_fits(const struct move_offer *o, const struct tcp_record *rec)
{
	return (uint64_t)o->bytes_len + o->rest == (uint64_t)rec->recv_len + rec->send_len &&
	       o->bytes_len <= HY_TCP_QUEUE_MAX && o->rest <= HY_TCP_QUEUE_MAX - o->bytes_len;
}

void area_expect(struct area *a, const struct move_offer *o, const struct tcp_record *rec)
{
	a->img.rec = *rec;
	a->head = o->bytes_len;
	a->rest = o->rest;
	memcpy(a->img.bytes, o->bytes, o->bytes_len);
}

int area_collect(struct area *a, const struct message *msg)
{
	if (msg->total != a->rest || msg->offset != a->got || msg->len > a->rest - a->got)
		return -EPROTO;
	memcpy(a->img.bytes + a->head + a->got, msg->payload, msg->len);
	a->got += msg->len;
	return a->got == a->rest;
}

bool area_is_sending(const struct areas *t, uint32_t id)
{
	for (unsigned int i = 0; i < HY_MOVES_MAX; i++) {
		if (t->at[i].sending && t->at[i].stream.id == id)
			return true;
	}
	return false;
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
