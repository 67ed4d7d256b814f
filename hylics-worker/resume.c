/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resume.c - connections outlive sessions, agents and workers
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile); an earlier worker's table (checked)
 */
#include "hylics-worker/resume.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/keep.h"
#include "common/own.h"
#include "hylics-worker/home.h"
#include "hylics-worker/items.h"
#include "hylics-worker/moves.h"
#include "hylics-worker/up.h"
#include "tcpmove/image.h"

/* -- a new session -- */

static int answer(struct moves *m, uint32_t id, const struct conn *c)
{
	const struct move_resumed r = { .known = c != NULL, .down = c ? c->sent : 0,
					.up = c ? c->up_taken : 0 };
	uint8_t payload[MOVE_RESUME_LEN];

	m->count->resumed += c != NULL;
	m->count->unknown += c == NULL;
	hy_fault(FAULT_RESUME_ANSWER);
	move_resumed_encode(&r, payload, sizeof(payload));
	return chan_send(m->chan, MSG_RESUMED, id, payload, sizeof(payload));
}

/* syscalls: ioctl(_, SIOCINQ) */
static uint64_t unread(const struct conn *c)
{
	int bytes = 0;

	return ioctl(c->sock, SIOCINQ, &bytes) < 0 || bytes < 0 ? 0 : (uint64_t)bytes;
}

/*
 * The guest has taken no more out of the pair than the copy has, and read no less than was read
 * out of the copy. What it has read beyond that is read out now.
 */
static bool fits(struct moves *m, struct conn *c, const struct move_resume *r)
{
	if (r->down > c->sent || r->up < c->up_taken || r->up - c->up_taken > unread(c))
		return false;
	return up_discard(m, c, r->up - c->up_taken) == 0;
}

static void go_on(struct moves *m, struct conn *c)
{
	c->known = true;
	if (!c->close_waits)
		items_drop(m, c);	/* they are told again, maybe in other pieces */
	conn_settle(m, c);
	c->sent_told = c->sent;
	c->up_ready = true;
	m->leave_next = 0;
	moves_tell(m, c);
	moves_run(m, c);
}

int resume_take(struct moves *m, const struct message *msg)
{
	struct conn *c = conn_find(m, msg->id);
	struct move_resume r;
	int rc = move_resume_decode(msg->payload, msg->len, &r);

	if (rc < 0)
		return rc;
	if (!c || c->state == CONN_ENDED)
		return answer(m, msg->id, NULL);
	if (c->state == CONN_ALONE && fits(m, c, &r)) {
		go_on(m, c);
		return answer(m, msg->id, c);
	}
	if (c->state == CONN_CLOSING && r.down <= c->sent) {
		c->known = true;
		c->sent_told = c->sent;
		return answer(m, msg->id, c);
	}
	conn_fault(m, c, "a resume that does not fit");
	return answer(m, msg->id, NULL);
}

/* -- a session's end -- */

static void leave_alone(struct moves *m, struct conn *c)
{
	c->known = false;
	c->up_out = 0;
	c->up_wait = c->up_ready = c->fin_told = c->stuck = false;
	c->taken_later = 0;
	c->stays = false;
	if (c->state == CONN_COMING || c->state == CONN_ENDED)
		conn_free(m, c);
	else if (c->state == CONN_HOMING)
		home_undo(m, c);
	else if (c->end)
		conn_gone(m, c, c->end);
	else
		conn_settle(m, c);
	conn_interest(m, c);
}

void resume_session_lost(struct moves *m)
{
	for (uint32_t i = 0; i < m->conns.top; i++) {
		if (m->conns.at[i].state != CONN_FREE)
			leave_alone(m, &m->conns.at[i]);
	}
	files_void(m);
	resume_look(m);
}

void resume_look(struct moves *m)
{
	uint64_t now_ms = hy_clock_ms(), patience_ms = m->cfg.alone_ms, next_ms = 0;

	for (uint32_t i = 0; i < m->conns.top; i++) {
		struct conn *c = &m->conns.at[i];
		uint64_t alone_ms;

		if (c->state != CONN_ALONE && !(c->state == CONN_LIVE && c->end))
			continue;
		alone_ms = now_ms - c->since_ms;
		if (alone_ms >= patience_ms && c->end) {
			conn_gone(m, c, c->end);
		} else if (alone_ms >= patience_ms) {
			m->count->reset_by_us++;
			conn_reset(m, c);
		} else if (!next_ms || patience_ms - alone_ms < next_ms) {
			next_ms = patience_ms - alone_ms;
		}
	}
	if (next_ms)
		ev_timer_set(m->loop, &m->alone, next_ms);
}

/* -- a new worker -- */

static int go_on_alone(struct moves *m, struct conn *c, enum row_state state, struct hy_err *e)
{
	uint64_t queued = 0, read = 0;
	int rc = state == ROW_HOMING ? tcp_undo(c->sock, e) : 0;

	if (rc == 0)
		rc = tcp_stream_counts(c->sock, c->send_len, &queued, &read, e);
	if (rc == 0)
		rc = conn_watch(m, c, e);
	if (rc < 0)
		return rc;
	table_state(&m->table, conn_row(m, c), ROW_LIVE);
	c->sent = c->sent_told = c->expect = queued;
	c->up_taken = read;
	c->corked = true;		/* perhaps: nothing waits, so it is taken off */
	conn_settle(m, c);
	moves_run(m, c);
	return 0;
}

static void inherit_one(struct moves *m, uint32_t row, int sock)
{
	struct row *r = &m->table.row[row];
	uint32_t state = atomic_load_explicit(&r->state, memory_order_acquire);
	struct hy_err e = { 0 };
	struct conn *c;

	if ((state != ROW_LIVE && state != ROW_HOMING) || conn_find(m, r->id)) {
		keep_drop(m->link, row);
		table_state(&m->table, row, ROW_FREE);
		conn_hush(&sock);
		return;
	}
	c = conn_new_at(m, r->id, row);
	c->sock = sock;
	c->send_len = r->send_len;
	c->state = CONN_LIVE;
	m->count->live++;
	m->count->inherited++;
	if (go_on_alone(m, c, state, &e) == 0)
		return;
	hy_log_limited(m->log, &m->rate_lost, HY_LOG_WARN, "connection %u cannot go on: %s", c->id,
		       e.text);
	m->count->reset_by_us++;
	conn_reset(m, c);
}

/* @sock: by row, -1: none; all are taken over */
static void inherit_all(struct moves *m, int *sock)
{
	for (uint32_t row = 0; row < HY_CONNS_MAX; row++) {
		if (sock[row] >= 0)
			inherit_one(m, row, hy_fd_steal(&sock[row]));
		else if (atomic_load(&m->table.row[row].state) != ROW_FREE)
			table_state(&m->table, row, ROW_FREE);
	}
}

static int take_sockets(struct moves *m, int *sock, int *table, struct hy_err *e)
{
	__attribute__((cleanup(hy_fds_close))) struct hy_fds fds = { 0 };
	uint32_t slot;
	int rc, mapped = 0;

	while (mapped == 0 && (rc = keep_take(m->link, &slot, &fds, e)) > 0) {
		if (slot == KEEP_TABLE && fds.n && *table < 0) {
			*table = hy_fd_steal(&fds.fd[0]);
			m->held = fds.n > 1 ? hy_fd_steal(&fds.fd[1]) : -1;
		} else if (slot == KEEP_TOOL && fds.n && m->freezer < 0) {
			m->freezer = hy_fd_steal(&fds.fd[0]);
			tcp_freeze_use(m->freezer);
		} else if (slot == KEEP_TOOL + 1 && fds.n && m->freezer >= 0) {
			mapped = present_map(&m->present, fds.fd[0], e);
		} else if (slot == KEEP_TOOL + 2 && fds.n && !m->door) {
			m->door = hy_fd_steal(&fds.fd[0]);
		} else if (slot == KEEP_TOOL + 3 && fds.n && m->late < 0) {
			m->late = hy_fd_steal(&fds.fd[0]);
		} else if (slot == KEEP_TOOL + 4 && fds.n && !tcp_catch_is_open(&m->caught)) {
			mapped = tcp_catch_open(&m->caught, fds.fd[0], e);
		} else if (slot < HY_CONNS_MAX && fds.n && sock[slot] < 0) {
			sock[slot] = hy_fd_steal(&fds.fd[0]);
		}
		hy_fds_close(&fds);
	}
	if (mapped < 0)
		return mapped;
	if (rc == 0 && *table < 0)
		return hy_err_set(e, EPROTO, "the keeper gave no table");
	return rc;
}

int resume_inherit(struct moves *m, struct hy_err *e)
{
	hy_autofree int *sock = malloc(HY_CONNS_MAX * sizeof(*sock));
	hy_autofd table = -1;
	int rc = 0;

	if (!sock)
		return hy_err_set(e, ENOMEM, "room for %d sockets", HY_CONNS_MAX);
	for (uint32_t i = 0; i < HY_CONNS_MAX; i++)
		sock[i] = -1;
	if (m->link >= 0)
		rc = take_sockets(m, sock, &table, e);
	if (rc == 0)
		rc = table_map(&m->table, table, e);
	if (rc < 0)
		return rc;
	m->count = m->table.count;
	m->stages = m->table.stages;
	m->count->live = m->count->coming = m->count->files = m->count->moving = 0;
	inherit_all(m, sock);
	resume_look(m);
	return 0;
}
