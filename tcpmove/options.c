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

#include "common/own.h"
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

/* syscalls: getsockopt */
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

/* syscalls: getsockopt */
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

/* syscalls: socket(AF_INET, SOCK_STREAM/0xf, 0), socket(AF_INET6, SOCK_STREAM/0xf, 0) */
const struct tcp_options *options_fresh(int family)
{
	static struct tcp_record fresh[2];
	struct tcp_record *rec = &fresh[family == AF_INET6];
	hy_autofd sock = -1;

	if (rec->family)
		return &rec->options;
	sock = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return NULL;
	rec->family = (uint8_t)family;
	options_read(sock, rec);
	rec->options.sndbuf = read_u32(sock, SOL_SOCKET, SO_SNDBUF);
	rec->options.rcvbuf = read_u32(sock, SOL_SOCKET, SO_RCVBUF);
	return &rec->options;
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

/* The hops too that a fresh socket has may come from its route, once it has one. */
/* syscalls: setsockopt(_, IPPROTO_IP, IP_TTL), setsockopt(_, IPPROTO_IPV6, IPV6_UNICAST_HOPS) */
static void set_hops(int sock, const struct tcp_record *rec)
{
	uint32_t hops = (uint32_t)rec->options.ttl;

	if (rec->family == AF_INET)
		set_if_any(sock, IPPROTO_IP, IP_TTL, hops);
	else
		set_if_any(sock, IPPROTO_IPV6, IPV6_UNICAST_HOPS, hops);
}

/* In this order: IP_TOS sets a priority of its own. */
/* syscalls: setsockopt(_, IPPROTO_IP, IP_TOS), setsockopt(_, IPPROTO_IPV6, IPV6_TCLASS) */
/* syscalls: setsockopt(_, SOL_SOCKET, SO_PRIORITY) */
static void set_priorities(int sock, const struct tcp_record *rec, const struct tcp_options *have)
{
	const struct tcp_options *o = &rec->options;

	if (have && have->tos == o->tos && have->priority == o->priority)
		return;
	if (rec->family == AF_INET)
		sockopt_set(sock, IPPROTO_IP, IP_TOS, o->tos);
	else
		sockopt_set(sock, IPPROTO_IPV6, IPV6_TCLASS, o->tos);
	set_u32(sock, SOL_SOCKET, SO_PRIORITY, o->priority);
}

static bool has_congestion(const struct tcp_options *have, const struct tcp_options *o)
{
	return !o->congestion[0] ||
	       (have && strncmp(have->congestion, o->congestion, TCP_CONGESTION_MAX) == 0);
}

/* syscalls: setsockopt(_, IPPROTO_TCP), setsockopt(_, SOL_SOCKET, SO_MARK) */
/* syscalls: setsockopt(_, SOL_SOCKET, SO_MAX_PACING_RATE) */
void options_before_connect(int sock, const struct tcp_record *rec, const struct tcp_options *have)
{
	const struct tcp_options *o = &rec->options;

	if (!has_congestion(have, o))
		setsockopt(sock, IPPROTO_TCP, TCP_CONGESTION, o->congestion,
			   (socklen_t)strlen(o->congestion));
	set_hops(sock, rec);
	set_priorities(sock, rec, have);
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
/* syscalls: setsockopt(_, SOL_SOCKET, SO_RCVBUF), setsockopt(_, SOL_SOCKET, SO_RCVBUFFORCE) */
/* syscalls: setsockopt(_, SOL_SOCKET, SO_SNDBUF), setsockopt(_, SOL_SOCKET, SO_SNDBUFFORCE) */
static void set_buffer(int sock, int force, int plain, uint32_t bytes)
{
	int half = (int)(bytes / 2);

	if (half > 0 && sockopt_set(sock, SOL_SOCKET, force, half) < 0)
		sockopt_set(sock, SOL_SOCKET, plain, half);
}

/* SO_KEEPALIVE behind the times that it begins with. */
/* syscalls: setsockopt(_, IPPROTO_TCP), setsockopt(_, SOL_SOCKET, SO_KEEPALIVE) */
static void set_keepalive(int sock, const struct tcp_options *o, const struct tcp_options *have)
{
	if (!have || have->keepidle_s != o->keepidle_s)
		set_if_any(sock, IPPROTO_TCP, TCP_KEEPIDLE, o->keepidle_s);
	if (!have || have->keepintvl_s != o->keepintvl_s)
		set_if_any(sock, IPPROTO_TCP, TCP_KEEPINTVL, o->keepintvl_s);
	if (!have || have->keepcnt != o->keepcnt)
		set_if_any(sock, IPPROTO_TCP, TCP_KEEPCNT, o->keepcnt);
	if (!have || have->keepalive != o->keepalive)
		sockopt_set(sock, SOL_SOCKET, SO_KEEPALIVE, o->keepalive);
}

void options_live(int sock, const struct tcp_record *rec, const struct tcp_options *have)
{
	const struct tcp_options *o = &rec->options;

	if (!have || have->nodelay != o->nodelay)
		sockopt_set(sock, IPPROTO_TCP, TCP_NODELAY, o->nodelay);
	if (!o->cork && (!have || have->cork))
		sockopt_set(sock, IPPROTO_TCP, TCP_CORK, 0);
	set_keepalive(sock, o, have);
	if (!have || have->user_timeout_ms != o->user_timeout_ms)
		set_u32(sock, IPPROTO_TCP, TCP_USER_TIMEOUT, o->user_timeout_ms);
	if (!have || have->notsent_lowat != o->notsent_lowat)
		set_u32(sock, IPPROTO_TCP, TCP_NOTSENT_LOWAT, o->notsent_lowat);
	set_buffer(sock, SO_SNDBUFFORCE, SO_SNDBUF, o->sndbuf);
	set_buffer(sock, SO_RCVBUFFORCE, SO_RCVBUF, o->rcvbuf);
}
