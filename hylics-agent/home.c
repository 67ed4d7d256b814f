/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * home.c - a connection comes home from the host
 *
 * Runs in: hylics-agent
 * Reads from: the host over the channel (checked)
 */
#include "hylics-agent/home.h"

#include <errno.h>
#include <string.h>

#include "hylics-agent/down.h"
#include "hylics-agent/late.h"
#include "hylics-agent/offer.h"
#include "hylics-agent/serve.h"

void home_ask(struct agent *a, struct conn *c)
{
	if (c->state != CONN_MOVED || c->asked_home)
		return;
	c->asked_home = true;
	conn_owe(a, c, OWES_HOME);
}

void home_if_small(struct agent *a, struct conn *c)
{
	if (c->plain_row >= HY_HOME_PLAIN_ITEMS || c->up_since_slice >= HY_HOME_UP_BYTES)
		home_ask(a, c);
}

void home_ask_more(struct agent *a)
{
	unsigned int asked = 0;

	while (a->leave_next < a->conns.top && asked < HY_MOVES_MAX / 2) {
		struct conn *c = &a->conns.at[a->leave_next++];

		if (c->state != CONN_MOVED)
			continue;
		asked++;
		home_ask(a, c);
	}
}

/* -- the offer -- */

static void answer(struct agent *a, struct conn *c, enum move_reason reason)
{
	c->answer = (uint8_t)reason;
	conn_owe(a, c, OWES_HOME_TAKEN);
}

static bool positions_fit(const struct conn *c, const struct move_offer *m,
			  const struct tcp_record *rec)
{
	return down_may_be(c, m->down) && m->up <= c->up && c->up - m->up <= rec->recv_len;
}

void home_undo(struct agent *a, struct conn *c)
{
	area_release(c->area);
	c->area = NULL;
	c->silent = false;
	c->asked_home = false;
	a->n_homing -= c->state == CONN_HOMING;
	if (c->state == CONN_HOMING)
		c->state = CONN_MOVED;
	if (offer_silence_now(a, c) == 0)
		conn_state(a, c, CONN_MOVED, MOVE_DONE);
}

/* The host's copy goes on; so does everything that has not been sent. */
static void refuse(struct agent *a, struct conn *c, enum move_reason reason)
{
	uint32_t id = c->id;

	home_undo(a, c);
	if (conn_find(a, id) != c)
		return;
	conn_rewind(a, c);
	answer(a, c, reason);
	if (conn_find(a, id) == c)
		options_settle(a, c);
	if (conn_find(a, id) == c)
		conn_owe(a, c, OWES_ITEMS);
}

static void rebuild(struct agent *a, struct conn *c)
{
	struct hy_err e = { 0 };
	int rc = hy_fault(FAULT_HOME_REBUILD);

	late_begin(a, c);
	rc = rc < 0 ? hy_err_set(&e, -rc, "rebuild") :
		      tcp_rebuild(c->kept.fd, &c->area->img, &e);
	c->silent = rc < 0;
	if (rc < 0) {
		hy_log_limited(a->log, &a->rate_reset, HY_LOG_WARN, "connection %x: %s: %s", c->id,
			       e.text, strerror(e.num));
		refuse(a, c, MOVE_ERROR);
		return;
	}
	table_rebuilt(a, c);
	answer(a, c, MOVE_DONE);
}

static int begin(struct agent *a, struct conn *c, const struct move_offer *m,
		 const struct tcp_record *rec)
{
	struct saved_record *saved;

	if (offer_silence_now(a, c) < 0)
		return 0;
	c->state = CONN_HOMING;
	a->n_homing++;
	conn_watch_pair(a, c, 0);
	c->area = area_take(&a->areas);
	if (!c->area) {
		refuse(a, c, MOVE_LIMIT_MOVES);
		return 0;
	}
	c->up_skip = c->up - m->up;
	area_expect(c->area, m, rec);
	saved = c->area->memory;
	saved->len = m->record_len;
	memcpy(saved->bytes, m->record, m->record_len);
	options_into_record(c);
	if (m->rest == 0)
		rebuild(a, c);
	return 0;
}

int home_take_offer(struct agent *a, const struct message *msg)
{
	struct conn *c = conn_find(a, msg->id);
	struct tcp_record rec;
	struct move_offer m;

	if (move_offer_decode(msg->payload, msg->len, &m) < 0 ||
	    tcp_record_decode(m.record, m.record_len, &rec) < 0 || !area_fits(&m, &rec))
		return -EPROTO;
	if (!c || c->state != CONN_MOVED)
		return 0;
	if (!positions_fit(c, &m, &rec)) {
		conn_reset(a, c, "it came home with other positions");
		return 0;
	}
	if (!down_sent(a, c, m.down))
		return 0;
	return begin(a, c, &m, &rec);
}

int home_take_queue(struct agent *a, const struct message *msg)
{
	struct conn *c = conn_find(a, msg->id);
	struct area *area = c ? c->area : NULL;
	int whole;

	if (!c || c->state != CONN_HOMING || !area || area->got == area->rest)
		return 0;
	whole = area_collect(area, msg);
	if (whole < 0)
		conn_reset(a, c, "its queue is not what was said");
	else if (whole)
		rebuild(a, c);
	return 0;
}

/* -- awake -- */

/* Bytes the program has had from the copy's queue before came along with it. */
static int live(struct agent *a, struct conn *c, struct hy_err *e)
{
	int rc = hy_fault(FAULT_HOME_LIVE);

	if (rc < 0)
		return hy_err_set(e, -rc, "live");
	table_busy(a, c, true);
	rc = tcp_thaw(c->kept.fd, e);
	if (rc == 0)
		rc = tcp_live(c->kept.fd, &c->area->img, e);
	return rc;
}

void home_live(struct agent *a, struct conn *c)
{
	struct hy_err e = { 0 };

	a->n_homing -= c->state == CONN_HOMING;
	c->state = CONN_LOCAL;		/* whatever comes of it, it does not vanish */
	due_cancel(&a->taken, &c->taken);
	if (live(a, c, &e) < 0) {
		conn_reset(a, c, e.text);
		return;
	}
	late_heard(a, c);
	area_release(c->area);
	c->area = NULL;
	c->silent = c->asked_home = false;
	a->count.homes++;
	conn_rewind(a, c);
	serve_count(a, c);
	conn_state(a, c, CONN_LOCAL, a->leaving ? MOVE_DRAINING : MOVE_DONE);
	table_busy(a, c, false);
	options_settle(a, c);
	serve_start(a, c);
	if (a->leaving)
		home_ask_more(a);
}

int home_take_done(struct agent *a, const struct message *msg)
{
	struct conn *c = conn_find(a, msg->id);

	if (c && c->state == CONN_HOMING && c->area && c->area->got == c->area->rest && !c->silent)
		home_live(a, c);
	return 0;
}
