/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * offer.c - a connection goes to the host, or does not
 *
 * Runs in: hylics-agent
 * Reads from: the host over the channel (checked); the program's socket
 */
#include "hylics-agent/offer.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "common/clock.h"
#include "hylics-agent/address.h"
#include "hylics-agent/home.h"
#include "hylics-agent/late.h"
#include "hylics-agent/serve.h"

static enum move_reason reason_of(enum tcp_refusal r)
{
	static const uint8_t reasons[TCP_REFUSALS] = {
		[TCP_MOVABLE] = MOVE_DONE,
		[TCP_NOT_TCP] = MOVE_NOT_TCP,
		[TCP_NOT_ESTABLISHED] = MOVE_NOT_ESTABLISHED,
		[TCP_UNREAD_BYTES] = MOVE_UNREAD_BYTES,
		[TCP_MPTCP] = MOVE_MPTCP,
		[TCP_WITH_ULP] = MOVE_ULP,
		[TCP_URGENT_DATA] = MOVE_URGENT_DATA,
		[TCP_OWN_FILTER] = MOVE_OWN_FILTER,
		[TCP_QUEUE_TOO_LONG] = MOVE_LIMIT_MOVES,
		[TCP_LINK_LOCAL] = MOVE_NO_TWIN,
	};

	return r < TCP_REFUSALS ? (enum move_reason)reasons[r] : MOVE_ERROR;
}

static enum move_reason why_not(struct agent *a, const struct conn *c)
{
	enum move_reason r = agent_refusal(a);

	if (r == MOVE_DONE)
		r = reason_of(tcp_check(c->kept.fd, HY_UNREAD_MAX));
	if (r == MOVE_DONE)
		r = address_refusal(a, c->kept.fd, IPPROTO_TCP);
	return r;
}

static int failed(struct agent *a, struct conn *c, const struct hy_err *e)
{
	hy_log_limited(a->log, &a->rate_reset, HY_LOG_WARN, "connection %x: %s: %s", c->id, e->text,
		       strerror(e->num));
	offer_undo(a, c, MOVE_ERROR, WHY_AGENT);
	return -EIO;
}

static int freeze(struct agent *a, struct conn *c)
{
	struct hy_err e = { 0 };
	int rc = hy_fault(FAULT_MOVE_FREEZE);

	late_begin(a, c);
	rc = rc < 0 ? hy_err_set(&e, -rc, "freeze") : tcp_freeze(c->kept.fd, &e);
	return rc < 0 ? failed(a, c, &e) : 0;
}

static int dump_long(struct agent *a, struct conn *c, struct tcp_image *img, struct hy_err *e)
{
	int rc;

	c->area = area_take(&a->areas);
	if (!c->area)
		return hy_err_set(e, EBUSY, "a long queue");
	rc = tcp_dump(c->kept.fd, &c->area->img, e);
	*img = c->area->img;
	return rc;
}

/* Into the agent's own memory first: most queues are short, and gone with the offer itself. */
static int dump(struct agent *a, struct conn *c, struct tcp_image *img)
{
	struct hy_err e = { 0 };
	int rc = hy_fault(FAULT_MOVE_DUMP);

	rc = rc < 0 ? hy_err_set(&e, -rc, "dump") : tcp_dump(c->kept.fd, img, &e);
	if (rc == -ENOBUFS)
		rc = dump_long(a, c, img, &e);
	if (rc == -ENOBUFS || rc == -EBUSY)
		offer_undo(a, c, MOVE_LIMIT_MOVES, WHY_AGENT);
	else if (rc < 0)
		failed(a, c, &e);
	return rc;
}

static int send_offer(struct agent *a, struct conn *c, const struct tcp_image *img)
{
	uint8_t record[TCP_RECORD_MAX];
	uint32_t total = img->rec.recv_len + img->rec.send_len;
	struct move_offer m = { .record = record, .bytes = img->bytes };
	int n = tcp_record_encode(&img->rec, record, sizeof(record));

	if (n < 0)
		return n;
	m.record_len = (uint16_t)n;
	m.bytes_len = MOVE_OFFER_ROOM - m.record_len;
	if (m.bytes_len > total)
		m.bytes_len = total;
	m.rest = total - m.bytes_len;
	n = move_offer_encode(&m, a->packet, sizeof(a->packet));
	if (n < 0)
		return n;
	n = chan_send(a->chan, MSG_OFFER, c->id, a->packet, (size_t)n);
	if (n < 0 || !m.rest)
		return n;
	c->area->head = m.bytes_len;
	c->area->rest = m.rest;
	return area_send(c->area, a->chan, c->id);
}

/* The first items right behind it: the host's first byte waits for no second message. */
static void say_offer(struct agent *a, struct conn *c, const struct tcp_image *img)
{
	if (send_offer(a, c, img) < 0) {
		offer_undo(a, c, MOVE_LIMIT_MOVES, WHY_AGENT);
		return;
	}
	due_add(&a->offered, &c->offered);
	conn_owe(a, c, OWES_ITEMS);
}

/* When each stage ended. */
struct times {
	uint64_t allowed, frozen, dumped;
};

static void count_stages(struct agent *a, struct conn *c, const struct times *t)
{
	struct agent_stages *s = &a->stages;
	uint64_t now = hy_clock_ns();

	hy_hist_add(&s->take, t->allowed - c->taken_ns);
	hy_hist_add(&s->freeze, t->frozen - t->allowed);
	hy_hist_add(&s->dump, t->dumped - t->frozen);
	hy_hist_add(&s->kernel, t->dumped - t->allowed);
	hy_hist_add(&s->offer, now - t->dumped);
	hy_hist_add(&s->whole, now - c->taken_ns);
	c->offered_ns = now;
}

/* Return: whether it is frozen, and its state known */
static bool take_image(struct agent *a, struct conn *c, struct tcp_image *img, struct times *t)
{
	t->allowed = hy_clock_ns();
	if (freeze(a, c) < 0)
		return false;
	t->frozen = hy_clock_ns();
	if (dump(a, c, img) < 0)
		return false;
	t->dumped = hy_clock_ns();
	return true;
}

/* Nothing has happened to it yet: a successor serves it here, the counts tell it from where. */
static void wait_drained(struct agent *a, struct conn *c)
{
	serve_count(a, c);
	table_state(a, c);
	hy_fault(FAULT_MOVE_DRAIN);
	due_add(&a->drain, &c->drain);
}

void offer(struct agent *a, struct conn *c)
{
	struct tcp_image img = { .bytes = a->queues, .room = sizeof(a->queues) };
	enum move_reason r = why_not(a, c);
	struct times t;

	if (r != MOVE_DONE) {
		why_refused(a, c, r, WHY_AGENT);
		conn_state(a, c, CONN_LOCAL, r);
		serve_start(a, c);
		return;
	}
	if (!tcp_drained(&c->drained, c->kept.fd, hy_clock_ms())) {
		wait_drained(a, c);
		return;
	}
	conn_state(a, c, CONN_OFFERED, MOVE_DONE);
	if (!take_image(a, c, &img, &t))
		return;
	if (hy_fault(FAULT_MOVE_OFFER) < 0) {
		offer_undo(a, c, MOVE_LIMIT_MOVES, WHY_AGENT);
		return;
	}
	chan_cork(a->chan);
	say_offer(a, c, &img);
	chan_uncork(a->chan);
	if (c->state == CONN_OFFERED)
		count_stages(a, c, &t);
}

void offer_drained(void *object, struct due *d)
{
	struct conn *c = CONN_OF_DUE(d, drain);
	uint64_t began = cost_begin(object, c->timed);
	uint32_t id = c->id;

	offer(object, c);
	cost_offer(object, began, id);
}

/* -- the answer -- */

void offer_undo(struct agent *a, struct conn *c, enum move_reason reason, enum why_by by)
{
	struct hy_err e = { 0 };

	due_cancel(&a->offered, &c->offered);
	area_release(c->area);
	c->area = NULL;
	why_refused(a, c, reason, by);
	if (tcp_undo(c->kept.fd, &e) < 0) {
		conn_reset(a, c, e.text);
		return;
	}
	late_heard(a, c);
	conn_rewind(a, c);
	conn_state(a, c, CONN_LOCAL, reason);
	options_settle(a, c);
	serve_start(a, c);
}

void offer_adopted(struct agent *a, struct conn *c)
{
	due_cancel(&a->offered, &c->offered);
	area_release(c->area);
	c->area = NULL;
	a->count.moved++;
	cost_adopted(a, c);
	conn_state(a, c, CONN_MOVED, MOVE_DONE);
	if (!c->silent)
		due_add(&a->silence, &c->silence);
	late_send(a, c);
	if (c->doom) {
		conn_doom(a, c, c->doom);
		return;
	}
	options_settle(a, c);
	if (a->leaving)
		home_ask(a, c);
}

int offer_take_adopted(struct agent *a, const struct message *msg)
{
	struct conn *c = conn_find(a, msg->id);

	if (!c || c->state != CONN_OFFERED)
		return 0;
	if (c->offered_ns)
		hy_hist_add(&a->stages.answer, hy_clock_ns() - c->offered_ns);
	offer_adopted(a, c);
	return 0;
}

int offer_take_refused(struct agent *a, const struct message *msg)
{
	struct conn *c = conn_find(a, msg->id);
	struct move_answer m;

	if (move_answer_decode(msg->payload, msg->len, &m) < 0)
		return -EPROTO;
	if (c && c->state == CONN_OFFERED)
		offer_undo(a, c, m.reason ? (enum move_reason)m.reason : MOVE_ERROR, WHY_HOST);
	return 0;
}

/*
 * The host takes long. It may have adopted the connection and be about to say so, so that nothing
 * is undone here: the host's answer to this tells which.
 */
void offer_unanswered(void *object, struct due *d)
{
	struct conn *c = CONN_OF_DUE(d, offered);

	if (c->state == CONN_OFFERED)
		conn_owe(object, c, OWES_CANCEL);
}

/* -- the silence -- */

int offer_silence_now(struct agent *a, struct conn *c)
{
	struct hy_err e = { 0 };
	int rc = 0;

	due_cancel(&a->silence, &c->silence);
	if (!c->silent)
		rc = tcp_silence(c->kept.fd, &e);
	if (rc < 0) {
		conn_reset(a, c, e.text);
		return rc;
	}
	c->silent = true;
	late_send(a, c);
	return 0;
}

void offer_silence(void *object, struct due *d)
{
	struct conn *c = CONN_OF_DUE(d, silence);
	uint64_t began = cost_begin(object, c->timed);

	hy_fault(FAULT_MOVE_SILENCE);
	(void)offer_silence_now(object, c);
	cost_move(object, began);
}
