/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * option.c - an option of a connection, set on a TCP socket and asked of it
 *
 * Runs in: hylics-agent, hylics-worker
 * Reads from: the kernel; a value to be set was checked (proto/option.h)
 */
#include "channel/option.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/cursor.h"

/* The rows of the table that the host's copy has, and those that only the agent's socket has. */
/* syscalls: setsockopt(_, SOL_SOCKET, SO_KEEPALIVE), setsockopt(_, SOL_SOCKET, SO_PRIORITY) */
/* syscalls: setsockopt(_, SOL_SOCKET, SO_MAX_PACING_RATE), setsockopt(_, IPPROTO_TCP) */
/* syscalls: setsockopt(_, IPPROTO_IP, IP_TOS), setsockopt(_, IPPROTO_IP, IP_TTL) */
/* syscalls: setsockopt(_, IPPROTO_IP, IP_MTU_DISCOVER) */
/* syscalls: setsockopt(_, IPPROTO_IPV6, IPV6_TCLASS) */
/* syscalls: setsockopt(_, IPPROTO_IPV6, IPV6_UNICAST_HOPS) */
/* syscalls: setsockopt(_, IPPROTO_IPV6, IPV6_MTU_DISCOVER) */
/* syscalls of hylics-agent: setsockopt(_, SOL_SOCKET, SO_REUSEPORT) */
/* syscalls of hylics-agent: setsockopt(_, SOL_SOCKET, SO_RCVLOWAT) */
int option_to(int sock, const struct option_value *v)
{
	const struct option_info *o = option_info(v->id);
	struct hy_rd r = { .p = v->bytes, .left = v->len };
	const void *value = v->bytes;
	uint64_t eight;
	int four;

	if (o->form == OPTION_INT) {
		four = (int)hy_rd_le32(&r);
		value = &four;
	} else if (o->form == OPTION_LONG) {
		eight = hy_rd_le64(&r);
		value = &eight;
	}
	return setsockopt(sock, o->level, o->name, value, v->len) < 0 ? -errno : 0;
}

static int long_from(int sock, const struct option_info *o, struct option_value *v)
{
	struct hy_wr w = { .p = v->bytes, .left = sizeof(v->bytes) };
	uint64_t eight = 0;
	socklen_t len = sizeof(eight);

	if (getsockopt(sock, o->level, o->name, &eight, &len) < 0)
		return -errno;
	if (len != sizeof(eight))
		return -EOPNOTSUPP;
	hy_wr_le64(&w, eight);
	v->len = sizeof(eight);
	return 0;
}

/* syscalls: getsockopt */
static int int_from(int sock, const struct option_info *o, struct option_value *v)
{
	int four = 0;
	socklen_t len = sizeof(four);

	if (getsockopt(sock, o->level, o->name, &four, &len) < 0)
		return -errno;
	option_put_int(v, four);
	return 0;
}

static int bytes_from(int sock, const struct option_info *o, struct option_value *v)
{
	socklen_t len = o->longest;

	memset(v->bytes, 0, sizeof(v->bytes));
	if (getsockopt(sock, o->level, o->name, v->bytes, &len) < 0)
		return -errno;
	v->len = (uint16_t)(o->form == OPTION_TEXT ? strnlen((char *)v->bytes, o->longest) : len);
	return 0;
}

int option_from(int sock, uint8_t id, struct option_value *v)
{
	const struct option_info *o = option_info(id);

	v->id = id;
	switch (o->form) {
	case OPTION_INT:
		return int_from(sock, o, v);
	case OPTION_LONG:
		return long_from(sock, o, v);
	default:
		return bytes_from(sock, o, v);
	}
}
