/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * offer.c - a connection comes: from the guest's offer to a living copy
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile)
 */
#include "hylics-worker/offer.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/keep.h"
#include "hylics-worker/home.h"
#include "hylics-worker/late.h"
#include "hylics-worker/moves.h"
#include "tcpmove/image.h"

static int refuse(struct moves *m, uint32_t id, enum move_reason reason,
		  const struct tcp_record *rec)
{
	const struct move_answer answer = { .reason = (uint16_t)reason };
	uint8_t payload[MOVE_ANSWER_LEN];

	m->count->refused[reason]++;
	why_note(m->table.last, reason, rec);
	hy_log_limited(m->log, &m->rate_refused, HY_LOG_INFO, "connection %u refused: %s", id,
		       move_reason_name(reason));
	move_answer_encode(&answer, payload, sizeof(payload));
	return chan_send(m->chan, MSG_REFUSED, id, payload, sizeof(payload));
}

/* The row goes first: what comes about this number from now on is about nothing. */
static int refuse_conn(struct moves *m, struct conn *c, enum move_reason reason,
		       const struct tcp_record *of)
{
	const struct tcp_record rec = *of;	/* which may be the row's own */
	uint32_t id = c->id;

	conn_free(m, c);
	return refuse(m, id, reason, &rec);
}

static enum move_reason reason_of(int err)
{
	switch (err) {
	case EADDRNOTAVAIL:
		return MOVE_NO_TWIN;
	case EMFILE:
	case ENFILE:
		return MOVE_LIMIT_CONNECTIONS;
	case EOPNOTSUPP:
	case ENOPROTOOPT:
		return MOVE_KERNEL_MISMATCH;
	default:
		return MOVE_ERROR;
	}
}

/* Whoever is its last holder and dies, dies with a RST: never a FIN behind half a body. */
/* syscalls: setsockopt(_, SOL_SOCKET, SO_LINGER) */
static int set_linger(int sock, struct hy_err *e)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	if (setsockopt(sock, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0)
		return hy_err_set(e, errno, "copy: set SO_LINGER");
	return 0;
}

/* syscalls: socket(AF_INET, SOCK_STREAM/0xf, 0), socket(AF_INET6, SOCK_STREAM/0xf, 0) */
static int restore(struct moves *m, struct conn *c, const struct tcp_image *img,
		   struct hy_err *e)
{
	int rc = hy_fault(FAULT_MOVE_RESTORE);

	if (rc < 0)
		return hy_err_set(e, -rc, "copy: restore");
	c->sock = socket(img->rec.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->sock < 0)
		return hy_err_set(e, errno, "copy: make a socket");
	present_add(&m->present, &img->rec);
	rc = tcp_restore(c->sock, img, e);
	if (rc == 0)
		rc = set_linger(c->sock, e);
	return rc;
}

static int keep(struct moves *m, struct conn *c, struct hy_err *e)
{
	const struct hy_fds fds = { .n = 1, .fd = { c->sock } };
	uint32_t row = conn_row(m, c);
	int rc = hy_fault(FAULT_MOVE_KEEP);

	table_fill(&m->table, row, c->id, c->send_len);
	if (rc == 0 && m->link >= 0)
		rc = keep_put(m->link, row, &fds);
	return rc < 0 ? hy_err_set(e, -rc, "copy: give it to the keeper") : 0;
}

static int go_live(struct moves *m, struct conn *c, const struct tcp_image *img, struct hy_err *e)
{
	int rc = hy_fault(FAULT_MOVE_LIVE);

	if (rc < 0)
		return hy_err_set(e, -rc, "copy: go live");
	rc = tcp_wake(c->sock, img, e);
	if (rc == 0)
		table_state(&m->table, conn_row(m, c), ROW_LIVE);
	return rc;
}

/*
 * If nobody has heard the copy, the guest's own socket goes on. If somebody may have, the client
 * learns that this connection is over, and so does the guest as soon as it sends.
 */
static int give_up(struct moves *m, struct conn *c, const struct tcp_record *rec,
		   const struct hy_err *e)
{
	enum move_reason reason = reason_of(e->num);
	uint32_t row = conn_row(m, c);

	hy_log_limited(m->log, &m->rate_refused, HY_LOG_INFO, "connection %u: %s: %s", c->id,
		       e->text, strerrordesc_np(e->num));
	conn_unwatch(m, c);
	conn_hush(&c->sock);
	if (m->link >= 0)
		keep_drop(m->link, row);
	table_state(&m->table, row, ROW_FREE);
	return refuse_conn(m, c, reason, rec);
}

static int adopted(struct moves *m, struct conn *c)
{
	area_release(c->area);
	c->area = NULL;
	c->state = CONN_LIVE;
	conn_settle(m, c);
	m->count->coming--;
	m->count->live++;
	m->count->moved++;
	hy_fault(FAULT_MOVE_ADOPTED);
	chan_cork(m->chan);		/* until the round has told how far it is */
	m->leave_next = 0;		/* it may have been passed over */
	c->up_ready = true;
	moves_tell(m, c);
	moves_run(m, c);
	moves_fresh(m, c);
	return chan_send(m->chan, MSG_ADOPTED, c->id, NULL, 0);
}

/* When each stage ended. */
struct times {
	uint64_t collected, restored, kept, live;
};

static void count_stages(struct moves *m, struct conn *c, const struct times *t)
{
	struct stages *s = m->stages;

	if (c->area)
		hy_hist_add(&s->collect, t->collected - c->offered_ns);
	hy_hist_add(&s->restore, t->restored - t->collected);
	hy_hist_add(&s->keep, t->kept - t->restored);
	hy_hist_add(&s->live, t->live - t->kept);
	hy_hist_add(&s->kernel, t->restored - t->collected + t->live - t->kept);
	c->live_ns = t->live;
}

static int adopt(struct moves *m, struct conn *c, const struct tcp_image *img)
{
	struct times t;
	struct hy_err e = { 0 };
	int rc;

	moves_first_turns(m);
	late_begin(m, c);
	t.collected = hy_clock_ns();
	c->send_len = img->rec.send_len;
	c->corked = img->rec.options.cork;
	rc = restore(m, c, img, &e);
	t.restored = hy_clock_ns();
	if (rc == 0)
		rc = conn_watch(m, c, &e);
	if (rc == 0)
		rc = keep(m, c, &e);
	t.kept = hy_clock_ns();
	if (rc < 0)
		return give_up(m, c, &img->rec, &e);
	if (go_live(m, c, img, &e) < 0)
		return give_up(m, c, &img->rec, &e);
	late_heard(m, c);
	t.live = hy_clock_ns();
	count_stages(m, c, &t);
	return adopted(m, c);
}

/* -- messages -- */

/* What is in the message is restored from there; what is not, is collected first. */
static int begin(struct moves *m, struct conn *c, const struct move_offer *o,
		 const struct tcp_record *rec)
{
	struct tcp_image img = { .rec = *rec, .bytes = (uint8_t *)(uintptr_t)o->bytes,
				 .room = o->bytes_len };

	if (o->rest == 0)
		return adopt(m, c, &img);
	c->area = area_take(&m->areas);
	if (!c->area)
		return refuse_conn(m, c, MOVE_LIMIT_MOVES, rec);
	area_expect(c->area, o, rec);
	return 0;
}

/*
 * A number that is there twice: an agent that began anew does not know the one of its predecessor
 * any more; within one session it is a fault, and neither is good.
 */
static bool clear_number(struct moves *m, uint32_t id)
{
	struct conn *c = conn_find(m, id);
	bool old = c && c->state == CONN_ALONE;

	if (!c)
		return true;
	if (!old) {
		conn_fault(m, c, "offered a second time");
		return false;
	}
	m->count->reset_by_us++;
	conn_reset(m, c);		/* ends in state ENDED, which is told to nobody */
	conn_free(m, c);
	return true;
}

enum move_reason offer_closed(const struct moves *m)
{
	if (m->moving == HY_MOVING_OFF)
		return MOVE_OFF_BY_OPERATOR;
	return m->leaving || m->moving == HY_MOVING_DRAIN ? MOVE_DRAINING : MOVE_DONE;
}

int offer_take(struct moves *m, const struct message *msg)
{
	uint64_t now = hy_clock_ns();
	struct tcp_record rec;
	struct move_offer o;
	struct conn *c;
	int rc = move_offer_decode(msg->payload, msg->len, &o);

	if (rc < 0)
		return rc;
	if (tcp_record_decode(o.record, o.record_len, &rec) < 0 || !area_fits(&o, &rec))
		return -EPROTO;
	m->count->offered++;
	if (!clear_number(m, msg->id))
		return refuse(m, msg->id, MOVE_ERROR, &rec);
	if (offer_closed(m) != MOVE_DONE)
		return refuse(m, msg->id, offer_closed(m), &rec);
	c = conn_new(m, msg->id);
	if (!c)
		return refuse(m, msg->id, MOVE_LIMIT_CONNECTIONS, &rec);
	c->known = true;
	c->offered_ns = now;
	m->count->coming++;
	return begin(m, c, &o, &rec);
}

int offer_take_queue(struct moves *m, const struct message *msg)
{
	struct conn *c = conn_find(m, msg->id);
	int whole;

	if (!c || c->state != CONN_COMING)
		return 0;		/* on its way when it was refused */
	whole = area_collect(c->area, msg);
	if (whole < 0) {
		m->count->faults++;
		return refuse_conn(m, c, MOVE_ERROR, &c->area->img.rec);
	}
	return whole ? adopt(m, c, &c->area->img) : 0;
}

int offer_take_cancel(struct moves *m, const struct message *msg)
{
	struct conn *c = conn_find(m, msg->id);

	/* adopted or refused in the meantime: that answer is on its way and counts */
	if (!c)
		return 0;
	if (c->state == CONN_COMING)
		return refuse_conn(m, c, MOVE_CANCELLED, &c->area->img.rec);
	if (c->state == CONN_DRAINING)
		home_cancel(m, c);
	return 0;
}
