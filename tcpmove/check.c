/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check.c - whether a connection can be carried at all
 *
 * Runs in: hylics-agent
 * Reads from: the kernel; the descriptor comes from a program of the guest, which may hand over
 *	anything
 */
#include "tcpmove/image.h"

#include <errno.h>
#include <poll.h>

#include "common/limits.h"
#include "tcpmove/ends.h"
#include "tcpmove/sockopt.h"

#define ULP_NAME_MAX 16

static const char *const names[TCP_REFUSALS] = {
	[TCP_MOVABLE] = "",
	[TCP_NOT_TCP] = "not-tcp",
	[TCP_NOT_ESTABLISHED] = "not-established",
	[TCP_UNREAD_BYTES] = "unread-bytes",
	[TCP_MPTCP] = "mptcp",
	[TCP_WITH_ULP] = "ulp",
	[TCP_URGENT_DATA] = "urgent-data",
	[TCP_OWN_FILTER] = "own-filter",
	[TCP_QUEUE_TOO_LONG] = "queue-too-long",
	[TCP_LINK_LOCAL] = "link-local",
};

const char *tcp_refusal_name(enum tcp_refusal r)
{
	return (unsigned int)r < TCP_REFUSALS ? names[r] : "";
}

/* A socket option's value, 0 where there is none. */
static int option_of(int sock, int level, int opt)
{
	int value = 0;

	sockopt_get(sock, level, opt, &value);
	return value;
}

static enum tcp_refusal check_kind(int sock)
{
	int domain = option_of(sock, SOL_SOCKET, SO_DOMAIN);
	int protocol = option_of(sock, SOL_SOCKET, SO_PROTOCOL);

	if ((domain != AF_INET && domain != AF_INET6) ||
	    option_of(sock, SOL_SOCKET, SO_TYPE) != SOCK_STREAM)
		return TCP_NOT_TCP;
	if (protocol == IPPROTO_MPTCP)
		return TCP_MPTCP;
	return protocol == IPPROTO_TCP ? TCP_MOVABLE : TCP_NOT_TCP;
}

static enum tcp_refusal check_state(int sock)
{
	struct tcp_record rec = { 0 };
	struct tcp_info info;
	struct hy_err e = { 0 };

	if (sockopt_info(sock, &info, &e) || info.tcpi_state != TCP_SOCK_ESTABLISHED ||
	    ends_read(sock, &rec, &e))
		return TCP_NOT_ESTABLISHED;
	return ends_are_scoped(&rec) ? TCP_LINK_LOCAL : TCP_MOVABLE;
}

/* syscalls: getsockopt */
static enum tcp_refusal check_extras(int sock)
{
	char name[ULP_NAME_MAX];
	socklen_t len = sizeof(name);

	if (option_of(sock, IPPROTO_TCP, TCP_IS_MPTCP))
		return TCP_MPTCP;
	if (getsockopt(sock, IPPROTO_TCP, TCP_ULP, name, &len) == 0 && len > 0)
		return TCP_WITH_ULP;
	/* asked without room the length of a classic filter; one of BPF cannot be told: EACCES */
	len = 0;
	if ((getsockopt(sock, SOL_SOCKET, SO_GET_FILTER, name, &len) < 0 && errno == EACCES) ||
	    len > 0 || option_of(sock, SOL_SOCKET, SO_LOCK_FILTER))
		return TCP_OWN_FILTER;
	return TCP_MOVABLE;
}

/* syscalls: ioctl(_, SIOCINQ), ioctl(_, SIOCOUTQ), poll */
static enum tcp_refusal check_queues(int sock, size_t unread_max)
{
	struct pollfd poll_urgent = { .fd = sock, .events = POLLPRI };
	uint32_t unread = 0, unacked = 0;
	struct hy_err e = { 0 };

	if (poll(&poll_urgent, 1, 0) > 0 && poll_urgent.revents & POLLPRI)
		return TCP_URGENT_DATA;
	if (sockopt_queued(sock, SIOCINQ, &unread, &e) ||
	    sockopt_queued(sock, SIOCOUTQ, &unacked, &e))
		return TCP_NOT_ESTABLISHED;
	if (unread > unread_max)
		return TCP_UNREAD_BYTES;
	if (unacked > HY_TCP_QUEUE_MAX || unread > HY_TCP_QUEUE_MAX - unacked)
		return TCP_QUEUE_TOO_LONG;
	return TCP_MOVABLE;
}

enum tcp_refusal tcp_check(int sock, size_t unread_max)
{
	enum tcp_refusal r = check_kind(sock);

	if (r == TCP_MOVABLE)
		r = check_state(sock);
	if (r == TCP_MOVABLE)
		r = check_extras(sock);
	return r == TCP_MOVABLE ? check_queues(sock, unread_max) : r;
}
