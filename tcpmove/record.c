/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record.c - an established TCP connection in words: what travels beside its queues
 *
 * Runs in: hylics-agent, hylics-worker, tests
 * Reads from: the peer on the channel (hostile)
 */
#include "tcpmove/record.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/cursor.h"
#include "common/limits.h"

/* Families have numbers of their own on the wire: those of sockets are a system's. */
#define FAMILY_IPV4 4
#define FAMILY_IPV6 6

static void put_end(struct hy_wr *w, const struct tcp_end *end)
{
	hy_wr_bytes(w, end->addr, sizeof(end->addr));
	hy_wr_le16(w, end->port);
}

static void put_window(struct hy_wr *w, const struct tcp_window *window)
{
	hy_wr_le32(w, window->snd_wl1);
	hy_wr_le32(w, window->snd_wnd);
	hy_wr_le32(w, window->max_window);
	hy_wr_le32(w, window->rcv_wnd);
	hy_wr_le32(w, window->rcv_wup);
}

static void put_options(struct hy_wr *w, const struct tcp_options *o)
{
	hy_wr_u8(w, o->nodelay);
	hy_wr_u8(w, o->cork);
	hy_wr_u8(w, o->keepalive);
	hy_wr_u8(w, o->reuseaddr);
	hy_wr_le32(w, o->keepidle_s);
	hy_wr_le32(w, o->keepintvl_s);
	hy_wr_le32(w, o->keepcnt);
	hy_wr_le32(w, o->user_timeout_ms);
	hy_wr_le32(w, o->notsent_lowat);
	hy_wr_u8(w, o->tos);
	hy_wr_u8(w, 0);
	hy_wr_le16(w, (uint16_t)o->ttl);
	hy_wr_le32(w, o->mark);
	hy_wr_le32(w, o->priority);
	hy_wr_le32(w, o->sndbuf);
	hy_wr_le32(w, o->rcvbuf);
	hy_wr_le64(w, o->pacing_rate);
	hy_wr_text(w, o->congestion);
}

int tcp_record_encode(const struct tcp_record *r, uint8_t *out, size_t room)
{
	struct hy_wr w = { .p = out, .left = room };

	hy_wr_le16(&w, TCP_RECORD_VERSION);
	hy_wr_u8(&w, r->family == AF_INET ? FAMILY_IPV4 : FAMILY_IPV6);
	hy_wr_u8(&w, 0);
	hy_wr_le32(&w, r->flags);
	put_end(&w, &r->local);
	put_end(&w, &r->remote);
	hy_wr_le32(&w, r->send_seq);
	hy_wr_le32(&w, r->recv_seq);
	hy_wr_le32(&w, r->send_len);
	hy_wr_le32(&w, r->unsent_len);
	hy_wr_le32(&w, r->recv_len);
	hy_wr_le32(&w, r->timestamp);
	hy_wr_le32(&w, r->mss);
	hy_wr_u8(&w, r->send_wscale);
	hy_wr_u8(&w, r->recv_wscale);
	hy_wr_le16(&w, 0);
	put_window(&w, &r->window);
	put_options(&w, &r->options);
	return w.bad ? -EMSGSIZE : (int)(room - w.left);
}

/* What is sent as 0 must be 0: whatever it will mean one day, this reader does not know it. */
static void take_zero(struct hy_rd *r, size_t n)
{
	while (n-- > 0) {
		if (hy_rd_u8(r))
			r->bad = true;
	}
}

static void take_flag(struct hy_rd *r, uint8_t *flag)
{
	*flag = hy_rd_u8(r);
	if (*flag > 1)
		r->bad = true;
}

static void take_end(struct hy_rd *r, struct tcp_end *end)
{
	const uint8_t *addr = hy_rd_take(r, sizeof(end->addr));

	if (addr)
		memcpy(end->addr, addr, sizeof(end->addr));
	end->port = hy_rd_le16(r);
}

static void take_window(struct hy_rd *r, struct tcp_window *window)
{
	window->snd_wl1 = hy_rd_le32(r);
	window->snd_wnd = hy_rd_le32(r);
	window->max_window = hy_rd_le32(r);
	window->rcv_wnd = hy_rd_le32(r);
	window->rcv_wup = hy_rd_le32(r);
}

static void take_options(struct hy_rd *r, struct tcp_options *o)
{
	take_flag(r, &o->nodelay);
	take_flag(r, &o->cork);
	take_flag(r, &o->keepalive);
	take_flag(r, &o->reuseaddr);
	o->keepidle_s = hy_rd_le32(r);
	o->keepintvl_s = hy_rd_le32(r);
	o->keepcnt = hy_rd_le32(r);
	o->user_timeout_ms = hy_rd_le32(r);
	o->notsent_lowat = hy_rd_le32(r);
	o->tos = hy_rd_u8(r);
	take_zero(r, 1);
	o->ttl = (int16_t)hy_rd_le16(r);
	o->mark = hy_rd_le32(r);
	o->priority = hy_rd_le32(r);
	o->sndbuf = hy_rd_le32(r);
	o->rcvbuf = hy_rd_le32(r);
	o->pacing_rate = hy_rd_le64(r);
	hy_rd_text(r, o->congestion, sizeof(o->congestion));
}

static uint8_t family_of(uint8_t number)
{
	switch (number) {
	case FAMILY_IPV4:
		return AF_INET;
	case FAMILY_IPV6:
		return AF_INET6;
	default:
		return AF_UNSPEC;
	}
}

static bool end_makes_sense(uint8_t family, const struct tcp_end *end)
{
	uint8_t rest = 0;

	for (size_t i = 4; family == AF_INET && i < sizeof(end->addr); i++)
		rest |= end->addr[i];
	return rest == 0 && end->port != 0;
}

static bool queues_make_sense(const struct tcp_record *r)
{
	return r->send_len <= HY_TCP_QUEUE_MAX && r->recv_len <= HY_TCP_QUEUE_MAX - r->send_len &&
	       r->unsent_len <= r->send_len;
}

/* The kernel refuses a window beyond the largest one that was ever seen. */
static bool windows_make_sense(const struct tcp_record *r)
{
	bool scales = r->flags & TCP_HAS_WSCALE
			      ? r->send_wscale <= TCP_WSCALE_MAX && r->recv_wscale <= TCP_WSCALE_MAX
			      : r->send_wscale == 0 && r->recv_wscale == 0;

	return scales && r->window.snd_wnd <= r->window.max_window &&
	       r->window.max_window <= TCP_WINDOW_MAX && r->window.rcv_wnd <= TCP_WINDOW_MAX;
}

static bool clock_makes_sense(const struct tcp_record *r)
{
	if (r->flags & TCP_HAS_TIMESTAMPS)
		return true;
	return r->timestamp == 0 && !(r->flags & TCP_USEC_CLOCK);
}

static bool name_makes_sense(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	return name[strspn(name, allowed)] == '\0';
}

static bool record_makes_sense(const struct tcp_record *r)
{
	return r->family != AF_UNSPEC && !(r->flags & ~TCP_RECORD_FLAGS) &&
	       end_makes_sense(r->family, &r->local) && end_makes_sense(r->family, &r->remote) &&
	       queues_make_sense(r) && windows_make_sense(r) && clock_makes_sense(r) &&
	       r->mss >= TCP_MSS_LEAST && r->mss <= TCP_MSS_MOST &&
	       name_makes_sense(r->options.congestion);
}

int tcp_record_decode(const uint8_t *in, size_t len, struct tcp_record *r)
{
	struct hy_rd rd = { .p = in, .left = len };
	struct tcp_record got = { 0 };
	uint16_t version = hy_rd_le16(&rd);

	got.family = family_of(hy_rd_u8(&rd));
	take_zero(&rd, 1);
	got.flags = hy_rd_le32(&rd);
	take_end(&rd, &got.local);
	take_end(&rd, &got.remote);
	got.send_seq = hy_rd_le32(&rd);
	got.recv_seq = hy_rd_le32(&rd);
	got.send_len = hy_rd_le32(&rd);
	got.unsent_len = hy_rd_le32(&rd);
	got.recv_len = hy_rd_le32(&rd);
	got.timestamp = hy_rd_le32(&rd);
	got.mss = hy_rd_le32(&rd);
	got.send_wscale = hy_rd_u8(&rd);
	got.recv_wscale = hy_rd_u8(&rd);
	take_zero(&rd, 2);
	take_window(&rd, &got.window);
	take_options(&rd, &got.options);
	if (rd.bad || rd.left || version != TCP_RECORD_VERSION || !record_makes_sense(&got))
		return -EPROTO;
	*r = got;
	return 0;
}
