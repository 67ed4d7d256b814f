/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pair.c - the agent's end of a program's pair: look without taking, take, deliver
 *
 * Runs in: hylics-agent
 * Reads from: the program at the other end (hostile)
 */
#include "hylics-agent/pair.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "common/own.h"

#define TELL_US 50000

/* syscalls: setsockopt(_, SOL_SOCKET, SO_OOBINLINE), setsockopt(_, SOL_SOCKET, SO_PEEK_OFF) */
int pair_prepare(int pair)
{
	int on = 1, zero = 0;

	/* a byte out of band would stand in the way of a look */
	if (setsockopt(pair, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)) < 0 ||
	    setsockopt(pair, SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof(zero)) < 0)
		return -errno;
	return 0;
}

/* syscalls: setsockopt(_, SOL_SOCKET, SO_PEEK_OFF) */
static int look_from(struct conn *c, uint32_t at)
{
	int off = (int)at;

	if (c->peek_off == off)
		return 0;
	if (setsockopt(c->pair.fd, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off)) < 0)
		return -errno;
	c->peek_off = off;
	return 0;
}

static ssize_t peek(struct agent *a, struct conn *c, size_t room, struct hy_fds *fds)
{
	ssize_t n = look_from(c, c->peek_at);

	if (n == 0)
		n = hy_fds_recv(c->pair.fd, a->scratch, room, fds, 2, MSG_PEEK | MSG_DONTWAIT);
	if (n > 0)
		c->peek_off += (int)n;
	else if (n != -EAGAIN)
		c->peek_off = -1;
	return n;
}

/*
 * A full buffer that came with a descriptor may end within a marker, or right before one. In a
 * marker's length less a cut one is not seen at all, and brings no descriptor; a whole one would
 * begin right behind, where some kernels bring it and some do not: without, it comes next time.
 */
static ssize_t peek_whole(struct agent *a, struct conn *c, size_t room, struct hy_fds *fds)
{
	ssize_t n = peek(a, c, room, fds);
	struct hy_fds again = { 0 };

	if (n != (ssize_t)room || fds->n == 0)
		return n;
	n = peek(a, c, room - LOCAL_MARKER_LEN, &again);
	if (n > 0 && again.n)
		n = (ssize_t)room;
	else
		hy_fds_close(fds);
	hy_fds_close(&again);
	return n;
}

/* syscalls: poll */
static enum pair_found what_end(const struct conn *c)
{
	struct pollfd p = { .fd = c->pair.fd, .events = POLLIN };

	if (poll(&p, 1, 0) < 0)
		return PAIR_RESET;
	return (p.revents & POLLHUP) ? PAIR_CLOSED : PAIR_SHUT;
}

static bool take_marker(const uint8_t *end, uint32_t len, struct hy_fds *fds,
			struct pair_look *look)
{
	struct local_marker m;

	if (fds->n == 0 || len < LOCAL_MARKER_LEN)
		return false;
	if (local_decode_marker(end - LOCAL_MARKER_LEN, LOCAL_MARKER_LEN, &m) < 0)
		return false;
	if (fds->n != (m.flags & LOCAL_MARK_TELL ? 2u : 1u))
		return false;
	look->marker = m;
	look->has_marker = true;
	look->file = fds->fd[0];
	fds->fd[0] = -1;
	return true;
}

/* A kernel has put other bytes behind a marker into its buffer: it cannot be told from them. */
static bool hides_marker(const uint8_t *bytes, uint32_t len)
{
	struct local_marker m;

	for (uint32_t at = 0; at + LOCAL_MARKER_LEN <= len; at++) {
		if (local_decode_marker(bytes + at, LOCAL_MARKER_LEN, &m) == 0)
			return true;
	}
	return false;
}

enum pair_found pair_look(struct agent *a, struct conn *c, uint32_t plain_max,
			  struct pair_look *look)
{
	__attribute__((cleanup(hy_fds_close))) struct hy_fds fds = { 0 };
	ssize_t n = peek_whole(a, c, plain_max + LOCAL_MARKER_LEN, &fds);
	uint32_t len;

	*look = (struct pair_look){ .plain = a->scratch, .file = -1 };
	if (n == -EAGAIN)
		return PAIR_NOTHING;
	if (n == 0)
		return what_end(c);
	if (n < 0)
		return PAIR_RESET;
	len = (uint32_t)n;
	if (take_marker(a->scratch + len, len, &fds, look))
		look->plain_len = len - LOCAL_MARKER_LEN;
	else if (fds.n && hides_marker(a->scratch, len))
		return PAIR_RESET;
	else
		look->plain_len = len < plain_max ? len : plain_max;
	c->peek_at += look->plain_len + (look->has_marker ? LOCAL_MARKER_LEN : 0u);
	return PAIR_BYTES;
}

/* -- taking -- */

/* syscalls: setitimer(ITIMER_REAL) */
bool pair_alarm(bool on)
{
	const struct itimerval it = { .it_value.tv_usec = on ? TELL_US : 0 };
	struct itimerval was = { 0 };

	setitimer(ITIMER_REAL, &it, &was);
	return !was.it_value.tv_sec && !was.it_value.tv_usec;
}

/* syscalls: readlink */
static bool is_eventfd(int fd)
{
	static const char name[] = "anon_inode:[eventfd]";
	char path[32], to[sizeof(name)];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, to, sizeof(to));
	return n == (ssize_t)sizeof(name) - 1 && memcmp(to, name, sizeof(name) - 1) == 0;
}

/*
 * The program can set the counter so that a write waits, and clear O_NONBLOCK again behind our
 * back. An alarm ends a write that waits all the same.
 */
/* syscalls: fcntl(_, F_GETFL), fcntl(_, F_SETFL), write */
static void tell(int fd)
{
	const uint64_t one = 1;
	int flags;

	if (!is_eventfd(fd))
		return;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return;
	(void)pair_alarm(true);
	if (write(fd, &one, sizeof(one)) < 0)
		errno = 0;		/* it is told already */
	(void)pair_alarm(false);
}

/*
 * The marker at the pair's head has gone. Its program may run before us from here on, so this is
 * not done while the row is busy. Told and not taken out it is told again, by the next agent: then
 * the program waits once less than it wanted.
 */
static void tell_program(struct conn *c)
{
	__attribute__((cleanup(hy_fds_close))) struct hy_fds fds = { 0 };
	uint8_t bytes[LOCAL_MARKER_LEN];
	ssize_t n = look_from(c, 0);

	if (n == 0)
		n = hy_fds_recv(c->pair.fd, bytes, sizeof(bytes), &fds, 2,
				MSG_PEEK | MSG_DONTWAIT);
	c->peek_off = n > 0 ? (int)n : -1;
	if (fds.n == 2)
		tell(fds.fd[1]);
}

/* The kernel closes a marker's descriptors if nobody wants them. */
/* syscalls: recvfrom */
static int take_out_bytes(struct agent *a, struct conn *c, uint64_t left)
{
	while (left) {
		size_t want = left < sizeof(a->scratch) ? (size_t)left : sizeof(a->scratch);
		ssize_t n = recv(c->pair.fd, a->scratch, want, MSG_DONTWAIT);

		if (n <= 0)
			return -EPROTO;
		left -= (uint64_t)n;
	}
	return 0;
}

int pair_take(struct agent *a, struct conn *c, uint64_t bytes, const struct item *marker)
{
	uint32_t in_pair = marker ? LOCAL_MARKER_LEN : (uint32_t)bytes;
	int rc;

	if (marker && marker->tells)
		tell_program(c);
	if (marker)
		grow_out(marker);
	hy_fault(FAULT_PAIR_TAKE);
	table_busy(a, c, true);
	rc = take_out_bytes(a, c, in_pair);
	if (rc < 0)
		return rc;
	c->down_taken += bytes;
	if (marker)
		program_taken(c->program, c->slot);
	c->peek_at -= in_pair < c->peek_at ? in_pair : c->peek_at;
	if (c->peek_off >= 0)		/* the kernel counts from the new head, too */
		c->peek_off -= in_pair < (uint32_t)c->peek_off ? (int)in_pair : c->peek_off;
	table_positions(a, c);
	table_busy(a, c, false);
	return 0;
}

/* -- delivering -- */

/* syscalls: sendto */
ssize_t pair_deliver(struct agent *a, struct conn *c, const uint8_t *bytes, size_t len)
{
	ssize_t n;

	table_busy(a, c, true);
	do {
		n = send(c->pair.fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	hy_fault(FAULT_UP_DELIVER);
	if (n > 0) {
		c->up += (uint64_t)n;
		c->up_since_slice += (uint64_t)n;
		a->count.up_bytes += (uint64_t)n;
		table_positions(a, c);
	}
	table_busy(a, c, false);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -EPIPE;
	return n;
}
