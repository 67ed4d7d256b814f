/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * option.c - the socket options that a moved connection has: one table, and how a value travels
 *
 * Runs in: hylics-agent, hylics-worker, libhylics, preload
 * Reads from: the peer on the channel, and programs of the guest (both hostile)
 *
 * The kernel's numbers are written out, as headers of sockets are not for here. They are those of
 * every machine QEMU's KVM knows but old ones; a test holds them against the headers.
 */
#include "proto/option.h"

#include <errno.h>
#include <string.h>

#include "common/cursor.h"

#define SOCKET 1
#define IP 0
#define TCP 6
#define IPV6 41

#define ANY INT32_MIN, INT32_MAX
#define AN_INT OPTION_INT, 4
#define COPY OPTION_OF_COPY, true, false
#define COPY_TELLS OPTION_OF_COPY, true, true
#define KEPT OPTION_OF_KEPT, true, false
#define KEPT_TELLS OPTION_OF_KEPT, false, false
#define ONLY_TOLD OPTION_OF_COPY, false, true
#define OWN OPTION_OF_PROGRAM, false, false

/*
 * More than PRIORITY_MOST, a mark, and a congestion control that is not for all are for who may
 * administrate the network. The agent could set them for anybody, and so does not.
 */
#define PRIORITY_MOST 6

static const struct option_info table[] = {
	{ OPTION_SO_KEEPALIVE, SOCKET, 9, "SO_KEEPALIVE", AN_INT, COPY, ANY },
	{ OPTION_SO_LINGER, SOCKET, 13, "SO_LINGER", OPTION_TWO, 8, OPTION_OF_AGENT, true, false,
	  ANY },
	{ OPTION_SO_PRIORITY, SOCKET, 12, "SO_PRIORITY", AN_INT, COPY, 0, PRIORITY_MOST },
	{ OPTION_SO_MAX_PACING_RATE, SOCKET, 47, "SO_MAX_PACING_RATE", OPTION_LONG, 8, COPY_TELLS,
	  ANY },
	{ OPTION_SO_REUSEADDR, SOCKET, 2, "SO_REUSEADDR", AN_INT, KEPT, ANY },
	{ OPTION_SO_REUSEPORT, SOCKET, 15, "SO_REUSEPORT", AN_INT, KEPT, ANY },
	{ OPTION_SO_SNDBUF, SOCKET, 7, "SO_SNDBUF", AN_INT, KEPT, ANY },
	{ OPTION_SO_RCVBUF, SOCKET, 8, "SO_RCVBUF", AN_INT, KEPT, ANY },
	{ OPTION_SO_RCVLOWAT, SOCKET, 18, "SO_RCVLOWAT", AN_INT, KEPT, ANY },
	{ OPTION_SO_OOBINLINE, SOCKET, 10, "SO_OOBINLINE", AN_INT, KEPT, ANY },
	{ OPTION_SO_MARK, SOCKET, 36, "SO_MARK", AN_INT, KEPT_TELLS, ANY },
	{ OPTION_SO_INCOMING_CPU, SOCKET, 49, "SO_INCOMING_CPU", AN_INT, KEPT_TELLS, ANY },
	{ OPTION_SO_COOKIE, SOCKET, 57, "SO_COOKIE", OPTION_LONG, 8, KEPT_TELLS, ANY },
	{ OPTION_SO_ERROR, SOCKET, 4, "SO_ERROR", AN_INT, OWN, ANY },
	{ OPTION_SO_DOMAIN, SOCKET, 39, "SO_DOMAIN", AN_INT, OWN, ANY },
	{ OPTION_SO_PROTOCOL, SOCKET, 38, "SO_PROTOCOL", AN_INT, OWN, ANY },
	{ OPTION_TCP_NODELAY, TCP, 1, "TCP_NODELAY", AN_INT, COPY, ANY },
	{ OPTION_TCP_CORK, TCP, 3, "TCP_CORK", AN_INT, COPY, ANY },
	{ OPTION_TCP_KEEPIDLE, TCP, 4, "TCP_KEEPIDLE", AN_INT, COPY, ANY },
	{ OPTION_TCP_KEEPINTVL, TCP, 5, "TCP_KEEPINTVL", AN_INT, COPY, ANY },
	{ OPTION_TCP_KEEPCNT, TCP, 6, "TCP_KEEPCNT", AN_INT, COPY, ANY },
	{ OPTION_TCP_USER_TIMEOUT, TCP, 18, "TCP_USER_TIMEOUT", AN_INT, COPY, ANY },
	{ OPTION_TCP_QUICKACK, TCP, 12, "TCP_QUICKACK", AN_INT, COPY, ANY },
	{ OPTION_TCP_CONGESTION, TCP, 13, "TCP_CONGESTION", OPTION_TEXT, OPTION_TEXT_MAX,
	  COPY_TELLS, ANY },
	{ OPTION_TCP_LINGER2, TCP, 8, "TCP_LINGER2", AN_INT, COPY, ANY },
	{ OPTION_TCP_WINDOW_CLAMP, TCP, 10, "TCP_WINDOW_CLAMP", AN_INT, COPY_TELLS, ANY },
	{ OPTION_TCP_NOTSENT_LOWAT, TCP, 25, "TCP_NOTSENT_LOWAT", AN_INT, KEPT, ANY },
	{ OPTION_TCP_SYNCNT, TCP, 7, "TCP_SYNCNT", AN_INT, KEPT, ANY },
	{ OPTION_TCP_DEFER_ACCEPT, TCP, 9, "TCP_DEFER_ACCEPT", AN_INT, KEPT, ANY },
	{ OPTION_TCP_THIN_LINEAR_TIMEOUTS, TCP, 16, "TCP_THIN_LINEAR_TIMEOUTS", AN_INT, COPY, ANY },
	{ OPTION_TCP_MAXSEG, TCP, 2, "TCP_MAXSEG", AN_INT, ONLY_TOLD, ANY },
	{ OPTION_TCP_INFO, TCP, 11, "TCP_INFO", OPTION_RAW, OPTION_VALUE_MAX, ONLY_TOLD, ANY },
	{ OPTION_TCP_CC_INFO, TCP, 26, "TCP_CC_INFO", OPTION_RAW, 64, ONLY_TOLD, ANY },
	{ OPTION_IP_TOS, IP, 1, "IP_TOS", AN_INT, COPY, ANY },
	{ OPTION_IP_TTL, IP, 2, "IP_TTL", AN_INT, COPY, ANY },
	{ OPTION_IP_MTU_DISCOVER, IP, 10, "IP_MTU_DISCOVER", AN_INT, COPY, ANY },
	{ OPTION_IP_MTU, IP, 14, "IP_MTU", AN_INT, ONLY_TOLD, ANY },
	{ OPTION_IPV6_TCLASS, IPV6, 67, "IPV6_TCLASS", AN_INT, COPY, ANY },
	{ OPTION_IPV6_UNICAST_HOPS, IPV6, 16, "IPV6_UNICAST_HOPS", AN_INT, COPY, ANY },
	{ OPTION_IPV6_MTU_DISCOVER, IPV6, 23, "IPV6_MTU_DISCOVER", AN_INT, COPY, ANY },
	{ OPTION_IPV6_MTU, IPV6, 24, "IPV6_MTU", AN_INT, ONLY_TOLD, ANY },
	{ OPTION_IPV6_V6ONLY, IPV6, 26, "IPV6_V6ONLY", AN_INT, KEPT_TELLS, ANY },
};

_Static_assert(sizeof(table) / sizeof(table[0]) == OPTIONS - 1, "a row for each option");
_Static_assert(OPTIONS <= 64, "a set of options is 64 bits");

const struct option_info *option_info(unsigned int id)
{
	/* numbered from 1 without gaps; a test holds the table to it */
	return id && id < OPTIONS ? &table[id - 1] : NULL;
}

const struct option_info *option_find(int level, int name)
{
	for (unsigned int i = 0; i < OPTIONS - 1; i++) {
		if (table[i].level == level && table[i].name == name)
			return &table[i];
	}
	return NULL;
}

/* -- values -- */

void option_put_int(struct option_value *v, int32_t value)
{
	struct hy_wr w = { .p = v->bytes, .left = sizeof(v->bytes) };

	hy_wr_le32(&w, (uint32_t)value);
	v->len = 4;
}

int32_t option_get_int(const struct option_value *v)
{
	struct hy_rd r = { .p = v->bytes, .left = v->len };

	return (int32_t)hy_rd_le32(&r);
}

static bool is_text(const uint8_t *bytes, size_t len)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_-";

	for (size_t i = 0; i < len; i++) {
		if (!bytes[i] || !strchr(letters, bytes[i]))
			return false;
	}
	return len > 0 && len <= OPTION_TEXT_MAX;
}

bool option_may_be_set(const struct option_value *v)
{
	const struct option_info *o = option_info(v->id);

	if (!o || !o->may_set)
		return false;
	if (o->form == OPTION_TEXT)
		return is_text(v->bytes, v->len);
	if (v->len != o->longest)
		return false;
	return o->form != OPTION_INT ||
	       (option_get_int(v) >= o->least && option_get_int(v) <= o->most);
}

/* -- messages -- */

static void take_value(struct hy_rd *r, uint8_t id, struct option_value *v)
{
	size_t len = r->left;
	const uint8_t *bytes;

	r->bad |= len > OPTION_VALUE_MAX;
	bytes = hy_rd_take(r, len);
	v->id = id;
	v->len = bytes ? (uint16_t)len : 0;
	if (v->len)
		memcpy(v->bytes, bytes, v->len);
}

int option_set_encode(const struct option_value *v, uint8_t *out, size_t room)
{
	struct hy_wr w = { .p = out, .left = room };

	hy_wr_u8(&w, v->id);
	hy_wr_bytes(&w, v->bytes, v->len);
	return hy_wr_written(&w, out);
}

int option_set_decode(const uint8_t *in, size_t len, struct option_value *v)
{
	struct hy_rd r = { .p = in, .left = len };
	struct option_value got;

	take_value(&r, hy_rd_u8(&r), &got);
	if (r.bad || !option_may_be_set(&got))
		return -EPROTO;
	*v = got;
	return 0;
}

int option_ask_encode(const struct option_ask *m, uint8_t *out, size_t room)
{
	struct hy_wr w = { .p = out, .left = room };

	hy_wr_le32(&w, m->ask);
	hy_wr_u8(&w, m->id);
	return hy_wr_written(&w, out);
}

int option_ask_decode(const uint8_t *in, size_t len, struct option_ask *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct option_ask got = { .ask = hy_rd_le32(&r) };

	got.id = hy_rd_u8(&r);
	if (r.bad || r.left || !option_info(got.id))
		return -EPROTO;
	*m = got;
	return 0;
}

int option_told_encode(const struct option_told *m, uint8_t *out, size_t room)
{
	struct hy_wr w = { .p = out, .left = room };

	hy_wr_le32(&w, m->ask);
	hy_wr_le16(&w, m->num);
	hy_wr_u8(&w, m->value.id);
	hy_wr_bytes(&w, m->value.bytes, m->value.len);
	return hy_wr_written(&w, out);
}

int option_told_decode(const uint8_t *in, size_t len, struct option_told *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct option_told got = { .ask = hy_rd_le32(&r) };
	const struct option_info *o;

	got.num = hy_rd_le16(&r);
	take_value(&r, hy_rd_u8(&r), &got.value);
	o = option_info(got.value.id);
	if (r.bad || !o || got.value.len > o->longest || (got.num && got.value.len))
		return -EPROTO;
	*m = got;
	return 0;
}
