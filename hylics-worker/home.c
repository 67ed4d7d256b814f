/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * home.c - a connection goes home into the guest: drained, frozen, offered, closed
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile)
 */
#include "hylics-worker/home.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/keep.h"
#include "hylics-worker/late.h"
#include "hylics-worker/moves.h"
#include "hylics-worker/send.h"
#include "hylics-worker/up.h"
#include "tcpmove/drain.h"
#include "tcpmove/image.h"

/* A half-closed connection cannot be put into a socket again. */
/* syscalls: getsockopt */
static bool is_whole(const struct conn *c)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return !c->end && getsockopt(c->sock, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	       info.tcpi_state == TCP_ESTABLISHED;
}

/* syscalls: getsockopt */
static bool is_over(const struct conn *c)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(c->sock, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	       info.tcpi_state == TCP_CLOSE;
}

/* -- staying -- */

static void stays(struct moves *m, struct conn *c, const char *why)
{
	c->stays = true;
	m->count->home_failed++;
	hy_log_limited(m->log, &m->rate_home, HY_LOG_INFO, "connection %u stays: %s", c->id, why);
}

void home_cancel(struct moves *m, struct conn *c)
{
	conn_settle(m, c);
	m->leave_next = 0;		/* asked again, should all go home */
	c->up_ready = !c->up_out && !c->up_wait && !c->fin_told;
	moves_tell(m, c);
	moves_run(m, c);
}

void home_undo(struct moves *m, struct conn *c)
{
	struct hy_err e = { 0 };

	m->n_homing--;
	c->state = CONN_LIVE;		/* conn_reset() need not undo it again */
	area_release(c->area);
	c->area = NULL;
	if (tcp_undo(c->sock, &e) < 0) {
		hy_log_limited(m->log, &m->rate_home, HY_LOG_WARN, "connection %u: %s", c->id,
			       e.text);
		m->count->reset_by_us++;
		conn_reset(m, c);
		return;
	}
	late_heard(m, c);
	table_state(&m->table, conn_row(m, c), ROW_LIVE);
	home_cancel(m, c);
	if (c->state == CONN_LIVE)
		up_taken_later(m, c);
}

/* -- the offer -- */

static int dump(struct moves *m, struct conn *c, struct hy_err *e)
{
	int rc = hy_fault(FAULT_HOME_FREEZE);

	if (rc < 0)
		return hy_err_set(e, -rc, "copy: freeze");
	send_push(c);		/* a cork of ours is not to travel */
	late_begin(m, c);
	rc = tcp_freeze(c->sock, e);
	if (rc == 0)
		rc = tcp_dump(c->sock, &c->area->img, e);
	return rc;
}

static int send_offer(struct moves *m, struct conn *c)
{
	struct area *a = c->area;
	struct tcp_record *rec = &a->img.rec;
	uint8_t record[TCP_RECORD_MAX], payload[MOVE_OFFER_MAX];
	int record_len = tcp_record_encode(rec, record, sizeof(record));
	uint32_t all = rec->recv_len + rec->send_len;
	struct move_offer o = { .down = c->sent, .up = c->up_taken, .record = record,
				.bytes = a->img.bytes };
	int len;

	if (record_len < 0)
		return record_len;
	o.record_len = (uint16_t)record_len;
	a->head = MOVE_OFFER_ROOM - (uint32_t)record_len;
	if (a->head > all)
		a->head = all;
	a->rest = all - a->head;
	o.bytes_len = a->head;
	o.rest = a->rest;
	len = move_offer_encode(&o, payload, sizeof(payload));
	hy_fault(FAULT_HOME_OFFER);
	return len < 0 ? len : chan_send(m->chan, MSG_HOME_OFFER, c->id, payload, (size_t)len);
}

static void offered(struct moves *m, struct conn *c)
{
	/* if this fails, so does the session, whose end undoes it */
	if (c->area->rest && area_send(c->area, m->chan, c->id) == 0)
		return;
	area_release(c->area);
	c->area = NULL;
}

/* Return: -EAGAIN if there is no room now, and the connection drains on */
static int offer(struct moves *m, struct conn *c)
{
	struct hy_err e = { 0 };
	int rc;

	/* an area is free again when all is sent, the guest's one when the connection is home */
	if (m->n_homing < HY_MOVES_MAX)
		c->area = area_take(&m->areas);
	if (!c->area)
		return -EAGAIN;
	m->n_draining--;
	m->n_homing++;
	c->state = CONN_HOMING;
	conn_interest(m, c);
	table_state(&m->table, conn_row(m, c), ROW_HOMING);
	rc = dump(m, c, &e);
	if (rc == 0)
		rc = send_offer(m, c);
	if (rc == 0) {
		offered(m, c);
		return 0;
	}
	home_undo(m, c);
	if (c->state != CONN_LIVE)
		return 0;
	if (rc != -EAGAIN && is_over(c)) {
		conn_lost(m, c, ECONNRESET);	/* reset just now: the guest is told before we go */
		return 0;
	}
	if (rc != -EAGAIN) {
		stays(m, c, e.num ? e.text : "it cannot be offered");
		return 0;
	}
	m->n_draining++;
	c->state = CONN_DRAINING;
	return -EAGAIN;
}

/* -- draining -- */

void home_look(struct moves *m)
{
	uint64_t now_ms = hy_clock_ms();
	bool full = false;

	for (uint32_t i = 0; i < m->conns.top && m->n_draining && !full; i++) {
		struct conn *c = &m->conns.at[i];

		if (c->state != CONN_DRAINING || !tcp_drained(&c->drain, c->sock, now_ms))
			continue;
		/* the queue of an offer that was refused would be taken for this one's */
		if (area_is_sending(&m->areas, c->id))
			continue;
		if (is_whole(c)) {
			full = offer(m, c) == -EAGAIN;
		} else {
			stays(m, c, "its client has shut");
			home_cancel(m, c);
		}
	}
	if (m->n_draining)
		ev_timer_set(m->loop, &m->home, HY_DRAIN_LOOK_MS);
	home_leave(m);
}

void home_begin(struct moves *m, struct conn *c)
{
	if (!is_whole(c) || c->shut) {
		stays(m, c, "it is half closed");
		return;
	}
	c->state = CONN_DRAINING;
	m->n_draining++;
	c->drain = (struct tcp_drain){ 0 };
	conn_interest(m, c);
	ev_timer_set(m->loop, &m->home, 0);
}

/* -- messages -- */

int home_take(struct moves *m, const struct message *msg)
{
	struct conn *c = conn_find(m, msg->id);

	if (c && c->state == CONN_LIVE && !c->end)
		home_begin(m, c);
	return 0;
}

static int gone_home(struct moves *m, struct conn *c)
{
	uint32_t id = c->id, row = conn_row(m, c);
	uint64_t cookie = tcp_catch_cookie(c->sock);

	hy_fault(FAULT_HOME_CLOSE);
	conn_unwatch(m, c);
	tcp_vanish(&c->sock);
	late_went_home(m, c, cookie);
	if (m->link >= 0)
		keep_drop(m->link, row);
	table_state(&m->table, row, ROW_FREE);
	m->count->live--;
	m->count->homed++;
	conn_free(m, c);
	hy_fault(FAULT_HOME_DONE);
	return chan_send(m->chan, MSG_HOME_DONE, id, NULL, 0);
}

int home_take_taken(struct moves *m, const struct message *msg)
{
	struct conn *c = conn_find(m, msg->id);
	struct move_answer answer;
	int rc = move_answer_decode(msg->payload, msg->len, &answer);

	if (rc < 0)
		return rc;
	if (!c || c->state != CONN_HOMING)
		return 0;		/* it has ended in the meantime, which was told */
	if (answer.reason == MOVE_DONE) {
		rc = gone_home(m, c);
	} else if (answer.reason == MOVE_LIMIT_MOVES) {
		home_undo(m, c);
		if (c->state == CONN_LIVE)
			home_begin(m, c);	/* the guest has no room now */
	} else {
		stays(m, c, move_reason_name(answer.reason));
		home_undo(m, c);
	}
	home_leave(m);
	return rc;
}

/* -- leaving -- */

/* One whose end the guest is about to be told waits for that, and stays for nothing else. */
static bool may_go(const struct conn *c)
{
	return c->state == CONN_LIVE && !c->stays && !c->end;
}

static void ask_more(struct moves *m)
{
	while (m->session && m->leave_next < m->conns.top &&
	       m->n_draining + m->n_homing < HY_HOMES_MAX) {
		struct conn *c = &m->conns.at[m->leave_next++];

		if (may_go(c))
			home_begin(m, c);
	}
}

/* Whether somebody is there for whom there is hope. */
static bool waits_for(const struct conn *c)
{
	return c->state != CONN_FREE && !(c->state == CONN_LIVE && c->stays);
}

void home_patience(struct moves *m)
{
	uint64_t now_ms = hy_clock_ms();
	uint64_t left_ms = m->leave_end_ms > now_ms ? m->leave_end_ms - now_ms : 0;

	m->leave_live = m->count->live;
	ev_timer_set(m->loop, &m->leave,
		     left_ms < HY_WORKER_LEAVE_MS ? left_ms : HY_WORKER_LEAVE_MS);
}

void home_leave(struct moves *m)
{
	if (m->left || (!m->leaving && m->moving == HY_MOVING_ON))
		return;
	if (m->leaving && m->count->live < m->leave_live)
		home_patience(m);
	ask_more(m);
	if (!m->leaving || m->n_draining || m->n_homing)
		return;
	for (uint32_t i = 0; i < m->conns.top; i++) {
		if (waits_for(&m->conns.at[i]))
			return;
	}
	m->left = true;
	m->cfg.left(m->cfg.object, m->count->live == 0);
}

void home_all(struct moves *m)
{
	m->leave_next = 0;
	for (uint32_t i = 0; i < m->conns.top; i++)
		m->conns.at[i].stays = false;
	home_leave(m);
}
