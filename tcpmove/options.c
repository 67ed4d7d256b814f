/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options.c - socket options that a connection takes along
 *
 * Runs in: hylics-agent, hylics-worker
 * Reads from: the kernel
 */
#include "tcpmove/options.h"

#include <linux/socket.h>
#include <string.h>

#include "tcpmove/sockopt.h"

static int read_int(int sock, int level, int opt)
{
	int value = 0;

	sockopt_get(sock, level, opt, &value);
	return value;
}

static uint8_t read_flag(int sock, int level, int opt)
{
	return read_int(sock, level, opt) != 0;
}

static uint32_t read_u32(int sock, int level, int opt)
{
	return (uint32_t)read_int(sock, level, opt);
}

static uint64_t read_pacing_rate(int sock)
{
	uint64_t rate = UINT64_MAX;
	socklen_t len = sizeof(rate);

	if (getsockopt(sock, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, &len) < 0 ||
	    len != sizeof(rate))
		return UINT64_MAX;
	return rate;
}

/* Only a size that the program has fixed: the others are the kernel's business on each side. */
static void read_buffers(int sock, struct tcp_options *o)
{
	int locked = read_int(sock, SOL_SOCKET, SO_BUF_LOCK);

	if (locked & SOCK_SNDBUF_LOCK)
		o->sndbuf = read_u32(sock, SOL_SOCKET, SO_SNDBUF);
	if (locked & SOCK_RCVBUF_LOCK)
		o->rcvbuf = read_u32(sock, SOL_SOCKET, SO_RCVBUF);
}

static void read_ip(int sock, struct tcp_record *rec)
{
	struct tcp_options *o = &rec->options;

	if (rec->family == AF_INET) {
		o->tos = (uint8_t)read_int(sock, IPPROTO_IP, IP_TOS);
		o->ttl = (int16_t)read_int(sock, IPPROTO_IP, IP_TTL);
	} else {
		o->tos = (uint8_t)read_int(sock, IPPROTO_IPV6, IPV6_TCLASS);
		o->ttl = (int16_t)read_int(sock, IPPROTO_IPV6, IPV6_UNICAST_HOPS);
	}
}

void options_read(int sock, struct tcp_record *rec)
{
	struct tcp_options *o = &rec->options;
	socklen_t len = sizeof(o->congestion) - 1;

	memset(o, 0, sizeof(*o));
	getsockopt(sock, IPPROTO_TCP, TCP_CONGESTION, o->congestion, &len);
	o->nodelay = read_flag(sock, IPPROTO_TCP, TCP_NODELAY);
	o->cork = read_flag(sock, IPPROTO_TCP, TCP_CORK);
	o->keepalive = read_flag(sock, SOL_SOCKET, SO_KEEPALIVE);
	o->reuseaddr = read_int(sock, SOL_SOCKET, SO_REUSEADDR) == 1;
	o->keepidle_s = read_u32(sock, IPPROTO_TCP, TCP_KEEPIDLE);
	o->keepintvl_s = read_u32(sock, IPPROTO_TCP, TCP_KEEPINTVL);
	o->keepcnt = read_u32(sock, IPPROTO_TCP, TCP_KEEPCNT);
	o->user_timeout_ms = read_u32(sock, IPPROTO_TCP, TCP_USER_TIMEOUT);
	o->notsent_lowat = read_u32(sock, IPPROTO_TCP, TCP_NOTSENT_LOWAT);
	read_ip(sock, rec);
	o->mark = read_u32(sock, SOL_SOCKET, SO_MARK);
	o->priority = read_u32(sock, SOL_SOCKET, SO_PRIORITY);
	read_buffers(sock, o);
	o->pacing_rate = read_pacing_rate(sock);
}

static void set_u32(int sock, int level, int opt, uint32_t value)
{
	sockopt_set(sock, level, opt, (int)value);
}

/* Where 0 means that there was none, and what the socket has is better. */
static void set_if_any(int sock, int level, int opt, uint32_t value)
{
	if (value)
		set_u32(sock, level, opt, value);
}

static void set_ip(int sock, const struct tcp_record *rec)
{
	const struct tcp_options *o = &rec->options;

	if (rec->family == AF_INET) {
		sockopt_set(sock, IPPROTO_IP, IP_TOS, o->tos);
		set_if_any(sock, IPPROTO_IP, IP_TTL, (uint32_t)o->ttl);
	} else {
		sockopt_set(sock, IPPROTO_IPV6, IPV6_TCLASS, o->tos);
		set_if_any(sock, IPPROTO_IPV6, IPV6_UNICAST_HOPS, (uint32_t)o->ttl);
	}
}

void options_before_connect(int sock, const struct tcp_record *rec)
{
	const struct tcp_options *o = &rec->options;

	if (o->congestion[0])
		setsockopt(sock, IPPROTO_TCP, TCP_CONGESTION, o->congestion,
			   (socklen_t)strlen(o->congestion));
	set_ip(sock, rec);
	/* behind IP_TOS, which sets a priority of its own */
	set_u32(sock, SOL_SOCKET, SO_PRIORITY, o->priority);
	set_if_any(sock, SOL_SOCKET, SO_MARK, o->mark);
	if (o->pacing_rate != UINT64_MAX)
		setsockopt(sock, SOL_SOCKET, SO_MAX_PACING_RATE, &o->pacing_rate,
			   sizeof(o->pacing_rate));
}

void options_before_live(int sock, const struct tcp_record *rec)
{
	if (rec->options.cork)
		sockopt_set(sock, IPPROTO_TCP, TCP_CORK, 1);
}

/* The kernel doubles what it is told. */
static void set_buffer(int sock, int force, int plain, uint32_t bytes)
{
	int half = (int)(bytes / 2);

	if (half > 0 && sockopt_set(sock, SOL_SOCKET, force, half) < 0)
		sockopt_set(sock, SOL_SOCKET, plain, half);
}

void options_live(int sock, const struct tcp_record *rec)
{
	const struct tcp_options *o = &rec->options;

	sockopt_set(sock, IPPROTO_TCP, TCP_NODELAY, o->nodelay);
	if (!o->cork)
		sockopt_set(sock, IPPROTO_TCP, TCP_CORK, 0);
	set_if_any(sock, IPPROTO_TCP, TCP_KEEPIDLE, o->keepidle_s);
	set_if_any(sock, IPPROTO_TCP, TCP_KEEPINTVL, o->keepintvl_s);
	set_if_any(sock, IPPROTO_TCP, TCP_KEEPCNT, o->keepcnt);
	sockopt_set(sock, SOL_SOCKET, SO_KEEPALIVE, o->keepalive);
	set_u32(sock, IPPROTO_TCP, TCP_USER_TIMEOUT, o->user_timeout_ms);
	set_u32(sock, IPPROTO_TCP, TCP_NOTSENT_LOWAT, o->notsent_lowat);
	set_buffer(sock, SO_SNDBUFFORCE, SO_SNDBUF, o->sndbuf);
	set_buffer(sock, SO_RCVBUFFORCE, SO_RCVBUF, o->rcvbuf);
}
