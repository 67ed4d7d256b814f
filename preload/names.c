/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * names.c - getpeername(), getsockname(), fstat() and its like: the names of the TCP socket
 *
 * Runs in: programs in a guest
 * Reads from: the agent (checked by libhylics)
 *
 * The call itself is made first. What it tells of a TCP socket is right; only of a unix socket, or
 * of an inode that is a pair's, it is looked who that was.
 */
#include "preload/next.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "libhylics/side.h"

static socklen_t address_of(const struct local_who *who, const struct local_end *e,
			    struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (who->family == 4) {
		in->sin_family = AF_INET;
		in->sin_port = htons(e->port);
		memcpy(&in->sin_addr, e->addr, sizeof(in->sin_addr));
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(e->port);
	memcpy(&in6->sin6_addr, e->addr, sizeof(in6->sin6_addr));
	return sizeof(*in6);
}

/* Is this what a pair's end is called? @room: what the caller had. */
static bool is_unnamed(const struct sockaddr *addr, socklen_t room, socklen_t len)
{
	sa_family_t family;

	if (room < sizeof(family) || len != sizeof(family))
		return false;
	memcpy(&family, addr, sizeof(family));
	return family == AF_UNIX;
}

static void tell(const struct side *s, const struct local_end *e, struct sockaddr *addr,
		 socklen_t room, socklen_t *len)
{
	struct sockaddr_storage whole;
	socklen_t n = address_of(s->who, e, &whole);

	memcpy(addr, &whole, n < room ? n : room);
	*len = n;
}

PRELOAD_APART static int peer_of(int sock, struct sockaddr *addr, socklen_t room, socklen_t *len)
{
	struct side s;

	if (!side_find(sock, &s))
		return 0;
	if (side_has_failed(&s)) {
		errno = ENOTCONN;	/* as of a TCP socket that was reset */
		return -1;
	}
	tell(&s, &s.who->peer, addr, room, len);
	return 0;
}

PRELOAD_APART static int local_of(int sock, struct sockaddr *addr, socklen_t room, socklen_t *len)
{
	struct side s;

	if (side_find(sock, &s))
		tell(&s, &s.who->local, addr, room, len);
	return 0;
}

/**
 * getpeername() - As getpeername(2)
 * @sock:	From the program, all of them
 * @addr:	Its memory
 * @len:	Likewise
 *
 * Return: as getpeername(2)
 */
PRELOAD_SHOWN int (getpeername)(int sock, struct sockaddr *addr, socklen_t *len)
{
	socklen_t room = len ? *len : 0;
	int rc = getpeername(sock, addr, len);

	if (rc < 0 || !len || !is_unnamed(addr, room, *len))
		return rc;
	return peer_of(sock, addr, room, len);
}

/**
 * getsockname() - As getsockname(2)
 * @sock:	From the program, all of them
 * @addr:	Its memory
 * @len:	Likewise
 *
 * Return: as getsockname(2)
 */
PRELOAD_SHOWN int (getsockname)(int sock, struct sockaddr *addr, socklen_t *len)
{
	socklen_t room = len ? *len : 0;
	int rc = getsockname(sock, addr, len);

	if (rc < 0 || !len || !is_unnamed(addr, room, *len))
		return rc;
	return local_of(sock, addr, room, len);
}

/* -- inodes -- */

/* A pair that was asked about, by what fstat() has told of it. */
static const struct local_who *who_of(int fd, uint64_t ino)
{
	struct side s;

	return side_known(fd, &s) && s.ino == ino ? s.who : NULL;
}

/* fstat() of a socket was good. It ends with this, and so keeps nothing of its own till then. */
PRELOAD_APART static int dress(int fd, struct stat *st)
{
	const struct local_who *who = who_of(fd, st->st_ino);

	if (who) {
		st->st_ino = who->ino;
		st->st_dev = who->dev;
	}
	return 0;
}

/**
 * fstat() - As fstat(2); so are its other names
 * @fd:	From the program, both of them
 * @st:	Its memory
 *
 * Return: as fstat(2)
 */
PRELOAD_SHOWN int (fstat)(int fd, struct stat *st)
{
	int rc = fstat(fd, st);

	return rc < 0 || !S_ISSOCK(st->st_mode) ? rc : dress(fd, st);
}

/* 64-bit alone: the same structure under both names, and under those of old programs. */
PRELOAD_SHOWN int (fstat64)(int fd, struct stat64 *st) __attribute__((alias("fstat")));

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the C library's names */
/* No header has these any more. */
int __fxstat(int version, int fd, struct stat *st);
int __fxstat64(int version, int fd, struct stat64 *st);

/**
 * __fxstat() - fstat() as programs call it that were linked before glibc 2.33
 * @version:	Of the structure: on 64-bit machines there is one
 * @fd:		From the program
 * @st:		Its memory
 *
 * Return: as fstat(2)
 */
PRELOAD_SHOWN int __fxstat(int version, int fd, struct stat *st)
{
	(void)version;
	return (fstat)(fd, st);
}

PRELOAD_SHOWN int __fxstat64(int version, int fd, struct stat64 *st)
	__attribute__((alias("__fxstat")));
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
