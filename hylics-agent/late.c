/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * late.c - what a client sent while its connection was on the way to the host, or home
 *
 * Runs in: hylics-agent
 * Reads from: segments of clients (hostile); the host over the channel (checked)
 */
#include "hylics-agent/late.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "common/own.h"
#include "hylics-agent/agent.h"
#include "tcpmove/ends.h"
#include "tcpmove/segment.h"

static bool is_open(const struct agent *a)
{
	return a->cfg.late && tcp_catch_is_open(a->cfg.late);
}

static void forget(struct agent *a, uint64_t upto)
{
	const struct due *offered = a->offered.first, *silence = a->silence.first;

	if (offered && CONN_OF_DUE(offered, offered)->late_from < upto)
		upto = CONN_OF_DUE(offered, offered)->late_from;
	if (silence && CONN_OF_DUE(silence, silence)->late_from < upto)
		upto = CONN_OF_DUE(silence, silence)->late_from;
	if (!a->n_homing)
		tcp_catch_forget(a->cfg.late, upto);
}

void late_begin(struct agent *a, struct conn *c)
{
	if (!is_open(a))
		return;
	c->late_from = tcp_catch_end(a->cfg.late);
	forget(a, c->late_from);
}

/* The place moves on only over what has gone: what finds no room is tried once more. */
static void send_all(struct agent *a, struct conn *c, uint64_t cookie)
{
	struct tcp_caught got;
	uint64_t place = c->late_from;

	while (tcp_catch_next(a->cfg.late, &place, &got)) {
		if (got.cookie == cookie &&
		    chan_send(a->chan, MSG_LATE, c->id, got.segment, got.len) < 0)
			return;
		a->count.late += got.cookie == cookie;
		c->late_from = place;
	}
}

void late_send(struct agent *a, struct conn *c)
{
	bool mine;

	if (!is_open(a) || c->state != CONN_MOVED || c->late_from == tcp_catch_end(a->cfg.late))
		return;
	mine = chan_cork(a->chan);
	send_all(a, c, tcp_catch_cookie(c->kept.fd));
	if (mine)
		chan_uncork(a->chan);
	forget(a, tcp_catch_end(a->cfg.late));
}

/* -- at home -- */

/* They hear nothing: no packet has their protocol. */
void late_sockets(int raw[2])
{
	const int type = SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, one = 1;

	raw[0] = socket(AF_INET, type, IPPROTO_RAW);
	raw[1] = socket(AF_INET6, type, IPPROTO_RAW);
	if (raw[1] >= 0 && setsockopt(raw[1], IPPROTO_IPV6, IPV6_HDRINCL, &one, sizeof(one)) < 0)
		hy_fd_close(&raw[1]);
}

/*
 * To an address of a connection's own end, which is this machine's. The kernel routes it to itself
 * when it is sent, so that nobody asks by which interface it has come.
 */
/* syscalls: sendto */
static bool arrive(struct agent *a, const struct tcp_record *ends, const uint8_t *segment,
		   size_t len)
{
	uint8_t packet[SEGMENT_PACKET_MAX];
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	bool is4 = ends->family == AF_INET;
	int n = segment_packet(ends, segment, len, packet);

	if (n < 0 || a->cfg.raw[is4 ? 0 : 1] < 0)
		return false;
	memcpy(&v4.sin_addr, ends->local.addr, sizeof(v4.sin_addr));
	memcpy(&v6.sin6_addr, ends->local.addr, sizeof(v6.sin6_addr));
	return sendto(a->cfg.raw[is4 ? 0 : 1], packet, (size_t)n, MSG_DONTWAIT,
		      is4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
		      is4 ? sizeof(v4) : sizeof(v6)) == n;
}

void late_heard(struct agent *a, struct conn *c)
{
	struct tcp_record ends;
	struct tcp_caught got;
	uint64_t cookie;

	if (!is_open(a) || c->late_from == tcp_catch_end(a->cfg.late) ||
	    ends_read(c->kept.fd, &ends, NULL) < 0)
		return;
	cookie = tcp_catch_cookie(c->kept.fd);
	while (tcp_catch_next(a->cfg.late, &c->late_from, &got)) {
		if (got.cookie == cookie)
			a->count.late_home += arrive(a, &ends, got.segment, got.len);
	}
}

/*
 * While the kept socket is frozen it comes into the ring, and is heard when that is awake. Where no
 * socket is, this kernel would answer it with a RST.
 */
int late_take(struct agent *a, const struct message *msg)
{
	const struct conn *c = conn_find(a, msg->id);
	struct tcp_record ends;

	if (c && (c->state == CONN_HOMING || c->state == CONN_LOCAL) && !c->silent &&
	    ends_read(c->kept.fd, &ends, NULL) == 0)
		a->count.late_home += arrive(a, &ends, msg->payload, msg->len);
	return 0;
}
