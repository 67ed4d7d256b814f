/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * options.c - getsockopt(), setsockopt(), ioctl(): as a TCP socket answers them
 *
 * Runs in: programs in a guest
 * Reads from: the agent (checked by libhylics)
 *
 * DOC: Who is asked
 *
 * Options of TCP and IP: the call itself, first. A unix socket has none and says EOPNOTSUPP, which
 * costs a moved connection one call and any other nothing. Options of sockets: the entry, as a
 * unix socket has them too, but means itself. What is known of neither by proto/option.c is left
 * to the pair, or is no option of it: ENOPROTOOPT, as TCP says.
 *
 * A value that is set is tried on a fresh TCP socket first, unless any will do: so what the kernel
 * refuses this program, and with which error, is said here and now. The agent is then told, and no
 * answer is waited for.
 *
 * What is asked is what the agent says, or the host; if nobody says it within HY_LIB_OPTION_MS,
 * what was true at the move (TCP_INFO), or what a fresh socket has.
 */
#include "preload/next.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <string.h>

#include "common/cursor.h"
#include "common/own.h"
#include "libhylics/side.h"

#define NOTSENT_AT 144			/* of tcpi_notsent_bytes, which is not in libc's struct */

static int fail(int err)
{
	errno = err;
	return -1;
}

static int family_of(const struct side *s)
{
	return s->who->family == 4 ? AF_INET : AF_INET6;
}

/* -- values, from the program's memory and into it -- */

static int take_int(const struct option_info *o, const void *value, socklen_t len,
		    struct option_value *v)
{
	int four = 0;
	uint8_t one;

	if (len >= sizeof(four)) {
		memcpy(&four, value, sizeof(four));
	} else if (o->level == IPPROTO_IP && len > 0) {
		memcpy(&one, value, 1);
		four = one;
	} else {
		return -EINVAL;
	}
	option_put_int(v, four);
	return 0;
}

static int take_long(const void *value, socklen_t len, struct option_value *v)
{
	struct hy_wr w = { .p = v->bytes, .left = sizeof(v->bytes) };
	uint64_t eight;
	uint32_t four;

	if (len == sizeof(eight)) {
		memcpy(&eight, value, sizeof(eight));
	} else if (len >= sizeof(four)) {
		memcpy(&four, value, sizeof(four));
		eight = four == UINT32_MAX ? UINT64_MAX : four;
	} else {
		return -EINVAL;
	}
	hy_wr_le64(&w, eight);
	v->len = sizeof(eight);
	return 0;
}

static int take_two(const void *value, socklen_t len, struct option_value *v)
{
	struct hy_wr w = { .p = v->bytes, .left = sizeof(v->bytes) };
	int two[2];

	if (len < sizeof(two))
		return -EINVAL;
	memcpy(two, value, sizeof(two));
	hy_wr_le32(&w, (uint32_t)two[0]);
	hy_wr_le32(&w, (uint32_t)two[1]);
	v->len = sizeof(two);
	return 0;
}

static int take(const struct option_info *o, const void *value, socklen_t len,
		struct option_value *v)
{
	v->id = o->id;
	if (!value)
		return -EFAULT;
	switch (o->form) {
	case OPTION_INT:
		return take_int(o, value, len, v);
	case OPTION_LONG:
		return take_long(value, len, v);
	case OPTION_TWO:
		return take_two(value, len, v);
	default:
		v->len = (uint16_t)strnlen(value, len < OPTION_TEXT_MAX ? len : OPTION_TEXT_MAX);
		memcpy(v->bytes, value, v->len);
		return v->len ? 0 : -EINVAL;
	}
}

/* As the kernel does: as much as there is room for. */
static void put_bytes(const void *from, size_t n, void *value, socklen_t *len)
{
	if (*len > n)
		*len = (socklen_t)n;
	if (value && from)
		memcpy(value, from, *len);
}

static void put_int(const struct option_info *o, int four, void *value, socklen_t *len)
{
	uint8_t one = (uint8_t)four;

	if (o->level == IPPROTO_IP && *len < sizeof(four) && *len > 0 && four >= 0 && four <= 255)
		put_bytes(&one, 1, value, len);
	else
		put_bytes(&four, sizeof(four), value, len);
}

static int put_long(const struct option_info *o, uint64_t eight, void *value, socklen_t *len)
{
	uint32_t four = eight < UINT32_MAX ? (uint32_t)eight : UINT32_MAX;

	if (*len < sizeof(eight) && o->id == OPTION_SO_COOKIE)
		return -EINVAL;
	if (*len < sizeof(eight))
		put_bytes(&four, sizeof(four), value, len);
	else
		put_bytes(&eight, sizeof(eight), value, len);
	return 0;
}

static int put(const struct option_info *o, const struct option_value *v, void *value,
	       socklen_t *len)
{
	struct hy_rd r = { .p = v->bytes, .left = v->len };
	char name[OPTION_TEXT_MAX + 1] = { 0 };
	int two[2];

	switch (o->form) {
	case OPTION_INT:
		put_int(o, option_get_int(v), value, len);
		return 0;
	case OPTION_LONG:
		return put_long(o, hy_rd_le64(&r), value, len);
	case OPTION_TWO:
		two[0] = (int)hy_rd_le32(&r);
		two[1] = (int)hy_rd_le32(&r);
		put_bytes(two, sizeof(two), value, len);
		return 0;
	case OPTION_TEXT:
		memcpy(name, v->bytes, v->len < OPTION_TEXT_MAX ? v->len : OPTION_TEXT_MAX);
		put_bytes(name, sizeof(name), value, len);
		return 0;
	default:
		put_bytes(v->bytes, v->len, value, len);
		return 0;
	}
}

/* -- asking -- */

/* What the program's side knows. */
static int tell_own(const struct side *s, const struct option_info *o, void *value, socklen_t *len)
{
	int is = IPPROTO_TCP;

	if (o->id == OPTION_SO_DOMAIN)
		is = family_of(s);
	else if (o->id == OPTION_SO_ERROR)
		is = side_over(s, true);
	put_bytes(&is, sizeof(is), value, len);
	return 0;
}

static int tell_fresh(const struct side *s, const struct option_info *o, void *value,
		      socklen_t *len)
{
	hy_autofd fresh = -1;

	if (o->id == OPTION_TCP_INFO && s->own && s->own->info_len) {
		put_bytes(s->own->info, s->own->info_len, value, len);
		return 0;
	}
	fresh = socket(family_of(s), SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fresh < 0)
		return -1;
	return getsockopt(fresh, o->level, o->name, value, len);
}

static int ask(const struct side *s, int level, int name, void *value, socklen_t *len)
{
	const struct option_info *o = option_find(level, name);
	struct option_value v;
	int saved = errno, rc;

	if (!o)
		return level == SOL_SOCKET ? getsockopt(s->sock, level, name, value, len) :
					     fail(ENOPROTOOPT);
	if (!len || (!value && *len))
		return fail(EFAULT);
	if (o->keeper == OPTION_OF_PROGRAM)
		return tell_own(s, o, value, len);
	rc = side_ask(s, o->id, &v);
	if (rc == 0)
		rc = put(o, &v, value, len);
	else if (rc == -EINVAL || rc == -ENOPROTOOPT)
		return fail(-rc);
	else
		return tell_fresh(s, o, value, len);
	errno = saved;
	return rc < 0 ? fail(-rc) : 0;
}

/* SO_DOMAIN, SO_PROTOCOL: has it turned out to be a unix socket? */
static bool is_of_unix(int name, const void *value, const socklen_t *len)
{
	int is;

	if ((name != SO_DOMAIN && name != SO_PROTOCOL) || *len != sizeof(is))
		return false;
	memcpy(&is, value, sizeof(is));
	return name == SO_DOMAIN ? is == AF_UNIX : is == 0;
}

PRELOAD_APART static int get_of_socket(int sock, int name, void *value, socklen_t *len)
{
	struct side s;
	int rc;

	if (side_known(sock, &s))
		return ask(&s, SOL_SOCKET, name, value, len);
	rc = getsockopt(sock, SOL_SOCKET, name, value, len);
	if (rc == 0 && is_of_unix(name, value, len) && side_find(sock, &s))
		return ask(&s, SOL_SOCKET, name, value, len);
	return rc;
}

/* Of one that is nobody's, errno stays what the program's own call has left. */
static bool is_found(int sock, struct side *s)
{
	int saved = errno;
	bool found = side_find(sock, s);

	errno = saved;
	return found;
}

/* The call has failed. */
PRELOAD_APART static int get_of_tcp(int sock, int level, int name, void *value, socklen_t *len)
{
	struct side s;

	return errno == EOPNOTSUPP && is_found(sock, &s) ? ask(&s, level, name, value, len) : -1;
}

/**
 * getsockopt() - As getsockopt(2)
 * @sock:	From the program, all of them
 * @level:	SOL_SOCKET, IPPROTO_TCP, ...
 * @name:	Of the option
 * @value:	Its memory
 * @len:	Likewise
 *
 * Return: as getsockopt(2)
 */
PRELOAD_SHOWN int (getsockopt)(int sock, int level, int name, void *value, socklen_t *len)
{
	int rc;

	if (level == SOL_SOCKET &&
	    (side_may_be(sock) || name == SO_DOMAIN || name == SO_PROTOCOL))
		return get_of_socket(sock, name, value, len);
	rc = getsockopt(sock, level, name, value, len);
	return rc == 0 || level == SOL_SOCKET ? rc : get_of_tcp(sock, level, name, value, len);
}

/* -- setting -- */

/* Any value of these will do. */
static bool is_simple(uint8_t id)
{
	return id == OPTION_TCP_NODELAY || id == OPTION_TCP_CORK || id == OPTION_TCP_QUICKACK ||
	       id == OPTION_SO_KEEPALIVE || id == OPTION_SO_LINGER || id == OPTION_SO_REUSEADDR;
}

static int try_it(const struct side *s, const struct option_info *o, const void *value,
		  socklen_t len)
{
	hy_autofd fresh = -1;

	if (is_simple(o->id))
		return 0;
	fresh = socket(family_of(s), SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fresh < 0 ? 0 : setsockopt(fresh, o->level, o->name, value, len);
}

static int set(const struct side *s, int level, int name, const void *value, socklen_t len)
{
	const struct option_info *o = option_find(level, name);
	struct option_value v;
	int saved = errno, rc;

	if (!o)
		return level == SOL_SOCKET ? setsockopt(s->sock, level, name, value, len) :
					     fail(ENOPROTOOPT);
	rc = take(o, value, len, &v);
	if (rc < 0)
		return fail(-rc);
	if (!o->may_set)
		return fail(o->id == OPTION_SO_MARK ? EPERM : ENOPROTOOPT);
	if (try_it(s, o, value, len) < 0)
		return -1;
	if (!option_may_be_set(&v))
		return fail(o->id == OPTION_SO_PRIORITY ? EPERM : EINVAL);
	side_set(s, &v);
	errno = saved;
	return 0;
}

PRELOAD_APART static int set_of_socket(int sock, int name, const void *value, socklen_t len)
{
	struct side s;

	return side_known(sock, &s) ? set(&s, SOL_SOCKET, name, value, len) :
				      setsockopt(sock, SOL_SOCKET, name, value, len);
}

/* The call has failed. */
PRELOAD_APART static int set_of_tcp(int sock, int level, int name, const void *value,
				    socklen_t len)
{
	struct side s;

	return errno == EOPNOTSUPP && is_found(sock, &s) ? set(&s, level, name, value, len) : -1;
}

/**
 * setsockopt() - As setsockopt(2)
 * @sock:	From the program, all of them
 * @level:	SOL_SOCKET, IPPROTO_TCP, ...
 * @name:	Of the option
 * @value:	Its memory
 * @len:	Of it
 *
 * Return: as setsockopt(2)
 */
PRELOAD_SHOWN int (setsockopt)(int sock, int level, int name, const void *value, socklen_t len)
{
	int rc;

	if (level == SOL_SOCKET)
		return side_may_be(sock) ? set_of_socket(sock, name, value, len) :
					   setsockopt(sock, level, name, value, len);
	rc = setsockopt(sock, level, name, value, len);
	return rc == 0 ? rc : set_of_tcp(sock, level, name, value, len);
}

/* -- ioctl -- */

/* Of the copy, as far as it is told: all that is not acknowledged, or that was never sent. */
static int unsent(const struct side *s, bool all)
{
	struct tcp_info info = { 0 };
	struct option_value v;
	uint32_t bytes = 0;
	int rc = side_ask(s, OPTION_TCP_INFO, &v);

	if (rc < 0)
		return 0;
	memcpy(&info, v.bytes, v.len < sizeof(info) ? v.len : sizeof(info));
	if (v.len >= NOTSENT_AT + sizeof(bytes))
		memcpy(&bytes, v.bytes + NOTSENT_AT, sizeof(bytes));
	return (int)(bytes + (all ? info.tcpi_unacked * info.tcpi_snd_mss : 0));
}

/* What is still in the pair counts as not sent. */
static int queued(const struct side *s, unsigned long request, int *bytes)
{
	int in_pair = 0;

	if (ioctl(s->sock, SIOCOUTQ, &in_pair) < 0)
		return -1;
	*bytes = in_pair ? in_pair : unsent(s, request == SIOCOUTQ);
	return 0;
}

static int control(const struct side *s, unsigned long request, int *value)
{
	if (!value)
		return fail(EFAULT);
	if (request != SIOCATMARK)
		return queued(s, request, value);
	*value = 0;
	return 0;
}

PRELOAD_APART static int ask_control(int fd, unsigned long request, void *arg)
{
	struct side s;

	return side_known(fd, &s) ? control(&s, request, arg) : ioctl(fd, request, arg);
}

/**
 * ioctl() - As ioctl(2)
 * @fd:		From the program, all of them
 * @request:	Likewise
 *
 * Return: as ioctl(2)
 */
PRELOAD_SHOWN int (ioctl)(int fd, unsigned long request, ...)
{
	va_list list;
	void *arg;

	va_start(list, request);
	arg = va_arg(list, void *);
	va_end(list);
	if (request == SIOCOUTQ || request == SIOCOUTQNSD || request == SIOCATMARK)
		return ask_control(fd, request, arg);
	return ioctl(fd, request, arg);
}
