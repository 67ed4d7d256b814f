/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * swap.c - put another socket behind a number of the program, epolls included
 *
 * Runs in: programs in a guest
 * Reads from: no untrusted input
 */
#include "libhylics/swap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static const int limits[] = { SO_RCVTIMEO, SO_SNDTIMEO };

/*
 * DOC: In which order
 *
 *	1 rehearse	dup3() of the same socket onto its own number; changes nothing. Not in a
 *			move that no epoll sees: 3 is the first step then, and finds out as well
 *	2 DEL		from every epoll
 *	3 dup3		the other socket behind the number
 *	4 ADD		to every epoll, with the same events and data
 *	5 hand over	(a move only) the old socket goes to the agent
 *
 * DEL comes before dup3, because an epoll knows an entry by number and file: afterwards it could no
 * longer be named, and would go on reporting for the old socket, with the program's data.
 *
 * No event is lost: ADD looks at the new socket and reports at once what it is ready for. What the
 * old one had to tell and had not told is told again by the new one: its unread bytes, its end and
 * its errors come through the agent, and room to write is there. Between DEL and ADD a thread in
 * epoll_wait() just sleeps. None is doubled: DEL takes out what was waiting. An edge-triggered
 * entry may report room to write once more, as one that was just added always does.
 *
 * Handing over comes last, so that whatever fails before it leaves the socket with the program:
 * after a failure of 3, 4 or 5 the old socket is put back by the same three steps. Nobody has
 * touched it yet, and what has been written into the pair, the first marker, is dropped with it.
 * Only ADD could then fail again, for want of memory that DEL has just given back. That 3 works is
 * known by then.
 *
 * On its way to the agent a socket has no other holder than the message. If the agent dies before
 * it has read that, the kernel closes the socket, and the client must not take what has arrived for
 * all there is. So 5 sets SO_LINGER {1, 0} first, which makes a reset of it, and tells the agent
 * the program's own. If the message cannot be sent, the program's own is put back.
 */

int swap_look(int sock, struct swap_looks *l)
{
	l->flags = fcntl(sock, F_GETFL);
	if (l->flags < 0)
		return -errno;
	for (unsigned int i = 0; i < 2; i++) {
		socklen_t len = sizeof(l->limit[i]);

		if (getsockopt(sock, SOL_SOCKET, limits[i], &l->limit[i], &len) < 0)
			return -errno;
	}
	return 0;
}

int swap_like(int to, const struct swap_looks *is, const struct swap_looks *as)
{
	if (((is->flags ^ as->flags) & O_NONBLOCK) &&
	    fcntl(to, F_SETFL, is->flags ^ O_NONBLOCK) < 0)
		return -errno;
	for (unsigned int i = 0; i < 2; i++) {
		const struct timeval *want = &as->limit[i], *has = &is->limit[i];

		if ((want->tv_sec != has->tv_sec || want->tv_usec != has->tv_usec) &&
		    setsockopt(to, SOL_SOCKET, limits[i], want, sizeof(*want)) < 0)
			return -errno;
	}
	return 0;
}

int swap_number(int sock, struct swap_number *n)
{
	int flags = fcntl(sock, F_GETFD);

	if (flags < 0)
		return -errno;
	*n = (struct swap_number){ .sock = sock, .flags = (flags & FD_CLOEXEC) ? O_CLOEXEC : 0 };
	return 0;
}

/* dup3(), keeping close-on-exec as the program had it. */
static int put(int other, const struct swap_number *n)
{
	return dup3(other, n->sock, n->flags) < 0 ? -errno : 0;
}

int swap_try(int copy, const struct swap_number *n)
{
	return put(copy, n);
}

/* The first @n of them. */
static void unwatch(int sock, const struct users *u, unsigned int n)
{
	while (n-- > 0)
		(void)epoll_ctl(u->watch[n].epoll, EPOLL_CTL_DEL, sock, NULL);
}

static int watch(int sock, const struct users *u)
{
	for (unsigned int i = 0; i < u->n; i++) {
		struct epoll_event ev = { .events = u->watch[i].events,
					  .data.u64 = u->watch[i].data };

		if (epoll_ctl(u->watch[i].epoll, EPOLL_CTL_ADD, sock, &ev) < 0 &&
		    errno != EEXIST) {
			int rc = -errno;

			unwatch(sock, u, i);
			return rc;
		}
	}
	return 0;
}

int swap_do(const struct swap_number *number, int copy, int other, struct users *u)
{
	int sock = number->sock;
	unsigned int n = 0;
	int rc;

	for (unsigned int i = 0; i < u->n; i++) {
		/* not there: the same epoll under a second number */
		if (epoll_ctl(u->watch[i].epoll, EPOLL_CTL_DEL, sock, NULL) == 0)
			u->watch[n++] = u->watch[i];
	}
	u->n = n;
	rc = put(other, number);
	if (rc == 0) {
		rc = watch(sock, u);
		if (rc == 0)
			return 0;
		(void)put(copy, number);
	}
	(void)watch(sock, u);
	return rc;
}
