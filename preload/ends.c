/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ends.c - read(), recv() and their like: a reset is no end, nobody reads in the middle of a swap
 *
 * Runs in: programs in a guest
 * Reads from: the agent's page (checked by libhylics)
 *
 * DOC: A reset is no end
 *
 * A pair that the agent has closed ends; why it did, stands in the page. So only a read that
 * brought nothing is looked at, and told as TCP tells it: once, and from then on as an end.
 *
 * DOC: Who reads while another thread moves the connection
 *
 * A thread that waits in read() holds what was behind the number, and would go on waiting for the
 * TCP socket when the pair is in its place. So it counts as a user: who wants to swap is refused,
 * and who comes in the middle of a swap waits for its end. A thread that is cancelled in its call
 * leaves the count as it is, and the number is not swapped any more: unwinding, which would give it
 * back, takes a library that not every system has, and a call that cannot be cancelled would be
 * another one. A process with one thread does not count.
 */
#include "preload/next.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "libhylics/side.h"
#include "preload/gate.h"

#define DISCARD_BYTES 4096

static void stop(struct lib_conn **c)
{
	if (*c)
		lib_uncount(*c);
}

/* Give back what it returns with stop(). */
__attribute__((always_inline)) static inline struct lib_conn *start(int fd)
{
	struct lib_conn *c = gate_one_thread() ? NULL : lib_look(fd);

	if (c)
		lib_count(c);
	return c;
}

#define READING(fd) __attribute__((cleanup(stop), unused)) struct lib_conn *reading = start(fd)

/* What a read is that brought nothing, though it wanted something. */
PRELOAD_APART static ssize_t ended(int fd)
{
	int saved = errno, err;
	struct side s;

	err = side_known(fd, &s) ? side_over(&s, true) : 0;
	errno = err ? err : saved;
	return err ? -1 : 0;
}

/* Does somebody believe this to be a pair? For flags that a pair takes otherwise. */
static bool may_be_pair(int fd)
{
	struct side s;

	return side_known(fd, &s);
}

/* MSG_TRUNC: TCP throws away what was not wanted to be seen. */
static ssize_t discard(int sock, size_t len, int flags)
{
	uint8_t bytes[DISCARD_BYTES];
	size_t done = 0;

	flags &= ~MSG_TRUNC;
	while (done < len) {
		size_t want = len - done < sizeof(bytes) ? len - done : sizeof(bytes);
		bool waits = !done || (flags & MSG_WAITALL);
		ssize_t n = recv(sock, bytes, want, waits ? flags : flags | MSG_DONTWAIT);

		if (n <= 0)
			return done ? (ssize_t)done : n;
		done += (size_t)n;
		if (flags & MSG_PEEK)
			break;
	}
	return (ssize_t)done;
}

/* Of a pair; false: it is to be read as usual. */
static bool read_otherwise(int sock, size_t len, int flags, ssize_t *n)
{
	if (!(flags & (MSG_TRUNC | MSG_OOB)) || !may_be_pair(sock))
		return false;
	if (flags & MSG_OOB) {
		errno = EINVAL;		/* as where nothing is urgent */
		*n = -1;
	} else {
		*n = discard(sock, len, flags);
	}
	return true;
}

/**
 * read() - As read(2)
 * @fd:		From the program, all of them
 * @buf:	Its memory
 * @len:	Of it
 *
 * Return: as read(2)
 */
PRELOAD_SHOWN ssize_t (read)(int fd, void *buf, size_t len)
{
	READING(fd);
	ssize_t n = read(fd, buf, len);

	return n || !len ? n : ended(fd);
}

static size_t room_of(const struct iovec *iov, size_t n)
{
	size_t room = 0;

	for (size_t i = 0; i < n; i++)
		room += iov[i].iov_len;
	return room;
}

/**
 * readv() - As readv(2)
 * @fd:		From the program, all of them
 * @iov:	Its memory
 * @count:	Of them
 *
 * Return: as readv(2)
 */
PRELOAD_SHOWN ssize_t (readv)(int fd, const struct iovec *iov, int count)
{
	READING(fd);
	ssize_t n = readv(fd, iov, count);

	return n || !room_of(iov, (size_t)count) ? n : ended(fd);
}

/**
 * recv() - As recv(2)
 * @sock:	From the program, all of them
 * @buf:	Its memory
 * @len:	Of it
 * @flags:	MSG_*
 *
 * Return: as recv(2)
 */
PRELOAD_SHOWN ssize_t (recv)(int sock, void *buf, size_t len, int flags)
{
	READING(sock);
	ssize_t n;

	if (!read_otherwise(sock, len, flags, &n))
		n = recv(sock, buf, len, flags);
	return n || !len ? n : ended(sock);
}

/**
 * recvfrom() - As recvfrom(2)
 * @sock:	From the program, all of them
 * @buf:	Its memory
 * @len:	Of it
 * @flags:	MSG_*
 * @from:	Its memory, or NULL
 * @from_len:	Likewise
 *
 * Return: as recvfrom(2)
 */
PRELOAD_SHOWN ssize_t (recvfrom)(int sock, void *buf, size_t len, int flags, struct sockaddr *from,
				 socklen_t *from_len)
{
	READING(sock);
	ssize_t n;

	if (!read_otherwise(sock, len, flags, &n))
		n = recvfrom(sock, buf, len, flags, from, from_len);
	return n || !len ? n : ended(sock);
}

/**
 * recvmsg() - As recvmsg(2)
 * @sock:	From the program, all of them
 * @msg:	Its memory
 * @flags:	MSG_*
 *
 * Return: as recvmsg(2)
 */
PRELOAD_SHOWN ssize_t (recvmsg)(int sock, struct msghdr *msg, int flags)
{
	READING(sock);
	ssize_t n;

	if (!(flags & (MSG_TRUNC | MSG_OOB)) || !msg ||
	    !read_otherwise(sock, room_of(msg->msg_iov, msg->msg_iovlen), flags, &n))
		n = recvmsg(sock, msg, flags);
	return n || !msg || !room_of(msg->msg_iov, msg->msg_iovlen) ? n : ended(sock);
}

/* -- as programs call them that were compiled with checks -- */

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the C library's names */
/* The C library's: it says so, and ends the program. */
extern _Noreturn void __chk_fail(void) __attribute__((weak));

static void check(size_t len, size_t room)
{
	if (len <= room)
		return;
	if (__chk_fail)
		__chk_fail();
	abort();
}

/* No header has these. */
ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
ssize_t __recv_chk(int sock, void *buf, size_t len, size_t room, int flags);
ssize_t __recvfrom_chk(int sock, void *buf, size_t len, size_t room, int flags,
		       struct sockaddr *from, socklen_t *from_len);

/**
 * __read_chk() - read(), where the compiler knows how much room there is
 * @fd:		From the program, all of them
 * @buf:	Its memory
 * @len:	As much is wanted
 * @room:	As much it has
 *
 * Return: as read(2), or not at all
 */
PRELOAD_SHOWN ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
	check(len, room);
	return (read)(fd, buf, len);
}

/**
 * __recv_chk() - recv(), likewise
 * @sock:	From the program, all of them
 * @buf:	Its memory
 * @len:	As much is wanted
 * @room:	As much it has
 * @flags:	MSG_*
 *
 * Return: as recv(2), or not at all
 */
PRELOAD_SHOWN ssize_t __recv_chk(int sock, void *buf, size_t len, size_t room, int flags)
{
	check(len, room);
	return (recv)(sock, buf, len, flags);
}

/**
 * __recvfrom_chk() - recvfrom(), likewise
 * @sock:	From the program, all of them
 * @buf:	Its memory
 * @len:	As much is wanted
 * @room:	As much it has
 * @flags:	MSG_*
 * @from:	Its memory, or NULL
 * @from_len:	Likewise
 *
 * Return: as recvfrom(2), or not at all
 */
PRELOAD_SHOWN ssize_t __recvfrom_chk(int sock, void *buf, size_t len, size_t room, int flags,
				     struct sockaddr *from, socklen_t *from_len)
{
	check(len, room);
	return (recvfrom)(sock, buf, len, flags, from, from_len);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
