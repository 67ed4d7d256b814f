/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * late.c - what a client sent while neither the guest's socket nor the copy listened
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile)
 */
#include "hylics-worker/late.h"

#include <errno.h>
#include <unistd.h>

#include "hylics-worker/moves.h"
#include "tcpmove/ends.h"
#include "tcpmove/segment.h"

/* syscalls: write */
static int arrive(int tun, const struct tcp_record *ends, const uint8_t *segment, size_t len,
		  struct hy_err *e)
{
	uint8_t packet[SEGMENT_PACKET_MAX];
	int rc = segment_packet(ends, segment, len, packet);

	if (rc < 0)
		return hy_err_set(e, -rc, "late segment: not of this connection");
	return write(tun, packet, (size_t)rc) < 0 ? hy_err_set(e, errno, "late segment") : 0;
}

/* -- what came to the copy itself -- */

static bool catches(const struct moves *m)
{
	return m->late >= 0 && tcp_catch_is_open(&m->caught);
}

/* What came before is of no use to anybody, unless another one is frozen. */
void late_begin(struct moves *m, struct conn *c)
{
	if (!catches(m))
		return;
	c->late_from = tcp_catch_end(&m->caught);
	if (m->n_homing == (c->state == CONN_HOMING))
		tcp_catch_forget(&m->caught, c->late_from);
}

static bool nothing_came(const struct moves *m, const struct conn *c)
{
	return !catches(m) || c->late_from == tcp_catch_end(&m->caught);
}

void late_heard(struct moves *m, const struct conn *c)
{
	uint64_t cookie, place = c->late_from;
	struct tcp_record ends;
	struct tcp_caught got;

	if (nothing_came(m, c) || ends_read(c->sock, &ends, NULL) < 0)
		return;
	cookie = tcp_catch_cookie(c->sock);
	while (tcp_catch_next(&m->caught, &place, &got)) {
		if (got.cookie != cookie ||
		    arrive(m->late, &ends, got.segment, got.len, NULL) < 0)
			continue;
		m->count->late++;
		m->count->late_own++;
	}
}

void late_went_home(struct moves *m, const struct conn *c, uint64_t cookie)
{
	uint64_t place = c->late_from;
	struct tcp_caught got;

	if (nothing_came(m, c))
		return;
	while (tcp_catch_next(&m->caught, &place, &got)) {
		if (got.cookie == cookie &&
		    chan_send(m->chan, MSG_LATE, c->id, got.segment, got.len) == 0)
			m->count->late_home++;
	}
}

/* -- what came to the guest's socket -- */

/* A copy that is frozen would not hear it, and the client says it again. */
static bool listens(const struct conn *c)
{
	return c && c->sock >= 0 && c->state != CONN_COMING && c->state != CONN_HOMING;
}

int late_take(struct moves *m, const struct message *msg)
{
	const struct conn *c = conn_find(m, msg->id);
	struct hy_err e = { 0 };
	struct tcp_record ends;

	if (m->late >= 0 && listens(c) && ends_read(c->sock, &ends, &e) == 0 &&
	    arrive(m->late, &ends, msg->payload, msg->len, &e) == 0) {
		m->count->late++;
		return 0;
	}
	if (e.num)
		hy_log_limited(m->log, &m->rate_late, HY_LOG_INFO, "connection %u: %s: %s", msg->id,
			       e.text, strerrordesc_np(e.num));
	m->count->late_dropped++;
	return 0;
}
