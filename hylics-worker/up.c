/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * up.c - bytes from the client: they stay in the copy until the guest has them
 *
 * Runs in: hylics-worker
 * Reads from: clients (any bytes), the guest over the channel (hostile)
 */
#include "hylics-worker/up.h"

#include <errno.h>
#include <sys/socket.h>

#include "common/fault.h"
#include "hylics-worker/moves.h"
#include "tcpmove/discard.h"

int up_discard(struct moves *m, struct conn *c, uint64_t n)
{
	uint64_t got = tcp_discard(c->sock, n);

	c->up_taken += got;
	m->count->bytes_up += got;
	return got == n ? 0 : -EPROTO;
}

static void taken(struct moves *m, struct conn *c, const struct move_pos *p)
{
	if (p->pos < c->up_taken || p->pos - c->up_taken > c->up_out) {
		conn_fault(m, c, "took bytes that were not offered");
		return;
	}
	if (up_discard(m, c, p->pos - c->up_taken) < 0) {
		conn_fault(m, c, "bytes that were offered are not there");
		return;
	}
	hy_fault(FAULT_UP_TAKEN);
	c->up_out = 0;
	c->up_wait = !p->again;
	c->up_ready = p->again;
	moves_tell(m, c);
}

void up_taken_later(struct moves *m, struct conn *c)
{
	const struct move_pos p = { .pos = c->taken_later, .again = c->again_later };

	c->taken_later = 0;
	if (p.pos)
		taken(m, c, &p);
}

int up_take_taken(struct moves *m, const struct message *msg)
{
	struct conn *c = conn_find(m, msg->id);
	struct move_pos p;
	int rc = move_pos_decode(msg->payload, msg->len, &p);

	if (rc < 0 || !c)
		return rc;
	if (c->state == CONN_LIVE || c->state == CONN_DRAINING) {
		taken(m, c, &p);
	} else if (c->state == CONN_HOMING) {
		c->taken_later = p.pos;
		c->again_later = p.again;
	} else if (c->state == CONN_COMING) {
		conn_fault(m, c, "took bytes before any were offered");
	}
	return 0;
}

/* -- offers -- */

static int send_up(struct moves *m, struct conn *c, const uint8_t *bytes, size_t n)
{
	const struct move_up up = { .pos = c->up_taken, .bytes = bytes,
				    .bytes_len = (uint32_t)n };
	uint8_t payload[MOVE_UP_MAX];
	int len = move_up_encode(&up, payload, sizeof(payload));
	int rc = chan_send(m->chan, MSG_UP, c->id, payload, (size_t)len);

	if (rc < 0)
		return rc;
	hy_fault(FAULT_UP_SENT);
	c->up_ready = false;
	c->up_out = (uint32_t)n;
	c->fin_told = n == 0;
	return 0;
}

/* The kernel has nothing more to give: the end that was seen before is the next thing to tell. */
static int end_of_bytes(struct moves *m, struct conn *c, int err)
{
	if (c->end)
		conn_gone(m, c, c->end);
	else if (err == EAGAIN)
		c->up_ready = false;
	else
		conn_lost(m, c, err);
	return 0;
}

/* syscalls: recvfrom */
int up_offer(struct moves *m, struct conn *c)
{
	uint8_t bytes[MOVE_UP_BYTES_MAX];
	ssize_t n;

	if (c->state != CONN_LIVE || !c->up_ready || c->up_out || c->up_wait || c->fin_told)
		return 0;
	n = recv(c->sock, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 || (n == 0 && c->end))
		return end_of_bytes(m, c, n < 0 ? errno : 0);
	return send_up(m, c, bytes, (size_t)n);
}
