/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * door.c - how a worker that sees no path gets its channel's transport from its keeper
 *
 * Runs in: hylics-worker (asks), hylics-keeper (answers)
 * Reads from: the worker's questions (it may have been taken over by the guest); the kernel
 */
#include "channel/door.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/cursor.h"
#include "common/fdpass.h"
#include "common/limits.h"
#include "common/own.h"

#define ANSWER_LEN 8
#define CALL_LEN 1

/* A socket is bound or moved to its place, or may be used from now on. */
#define NEWS (IN_CREATE | IN_MOVED_TO | IN_ATTRIB)
#define OVER (IN_IGNORED | IN_MOVE_SELF | IN_UNMOUNT)

/* -- the keeper's side -- */

/* Without it the worker asks on. */
static void watch_place(struct chan_door *d)
{
	const char *slash = strrchr(d->addr.path, '/');
	char dir[sizeof(d->addr.path)] = ".";

	if (slash)
		snprintf(dir, sizeof(dir), "%.*s", slash == d->addr.path ? 1 :
			 (int)(slash - d->addr.path), d->addr.path);
	d->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (d->watch >= 0 &&
	    inotify_add_watch(d->watch, dir, NEWS | IN_MOVE_SELF | IN_ONLYDIR) < 0)
		hy_fd_close(&d->watch);
}

int chan_door_open(struct chan_door *d, const char *text, struct hy_err *e)
{
	int rc;

	*d = (struct chan_door){ .listener = -1, .inside = -1, .outside = -1, .watch = -1 };
	rc = chan_addr_parse(text, ROLE_HOST, &d->addr, e);
	if (rc == 0 && d->addr.kind == CHAN_SERIAL)
		watch_place(d);
	if (rc < 0 || !chan_addr_listens(&d->addr, ROLE_HOST))
		return rc;
	rc = chan_addr_open(&d->addr, ROLE_HOST, e);
	d->listener = rc < 0 ? -1 : rc;
	return rc < 0 ? rc : 0;
}

void chan_door_close(struct chan_door *d)
{
	hy_fd_close(&d->inside);
	hy_fd_close(&d->outside);
	if (d->listener >= 0)
		chan_addr_unlink(&d->addr, ROLE_HOST);
	hy_fd_close(&d->listener);
	hy_fd_close(&d->watch);
}

int chan_door_pair(struct chan_door *d, struct hy_err *e)
{
	const struct timeval patience = { .tv_usec = HY_CHAN_DOOR_MS * 1000L };
	int ends[2];

	hy_fd_close(&d->inside);
	hy_fd_close(&d->outside);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return hy_err_set(e, errno, "channel: a door for the worker");
	d->inside = ends[0];
	d->outside = ends[1];
	if (setsockopt(d->inside, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return hy_err_set(e, errno, "channel: patience at the door");
	return 0;
}

/* Who asks on and on and does not read what he gets, gets no more. */
static void answer(const struct chan_door *d, int fd, int error)
{
	const struct hy_fds fds = { .n = fd >= 0, .fd = { fd } };
	uint8_t packet[ANSWER_LEN];
	struct hy_wr w = { .p = packet, .left = sizeof(packet) };

	hy_wr_le32(&w, (uint32_t)error);
	hy_wr_le32(&w, d->watch >= 0);
	(void)hy_fds_send(d->outside, packet, sizeof(packet), &fds, MSG_DONTWAIT);
}

static void call(struct chan_door *d)
{
	if (d->owed)
		(void)hy_fds_send(d->outside, "", CALL_LEN, NULL, MSG_DONTWAIT);
	d->owed = false;
}

static bool is_news(const struct chan_door *d, const struct inotify_event *ev)
{
	const char *slash = strrchr(d->addr.path, '/');

	return (ev->mask & (OVER | IN_Q_OVERFLOW)) ||
	       (ev->len && strcmp(ev->name, slash ? slash + 1 : d->addr.path) == 0);
}

int chan_door_look(struct chan_door *d)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *ev;
	ssize_t n = read(d->watch, buf, sizeof(buf));
	bool over = false;

	for (ssize_t at = 0; at < n; at += (ssize_t)(sizeof(*ev) + ev->len)) {
		ev = (const struct inotify_event *)(const void *)(buf + at);
		if (ev->mask & OVER)
			over = true;
		if (is_news(d, ev))
			call(d);
	}
	return over ? -EPIPE : 0;
}

void chan_door_blind(struct chan_door *d)
{
	hy_fd_close(&d->watch);
	call(d);
}

void chan_door_answer(struct chan_door *d)
{
	__attribute__((cleanup(hy_fds_close))) struct hy_fds none = { 0 };
	struct hy_err e = { 0 };
	hy_autofd fresh = -1;
	uint8_t question;

	if (hy_fds_recv(d->outside, &question, 1, &none, 1, MSG_DONTWAIT) != 1)
		return;
	if (d->listener >= 0) {
		answer(d, d->listener, 0);
		return;
	}
	fresh = chan_addr_open(&d->addr, ROLE_HOST, &e);
	d->owed = fresh < 0;
	answer(d, fresh, fresh < 0 ? -fresh : 0);
}

/* -- the worker's side -- */

/* Calls, and answers to questions that were given up. */
int chan_door_called(int inside)
{
	uint8_t packet[ANSWER_LEN];
	struct hy_fds fds = { 0 };
	ssize_t n;

	while ((n = hy_fds_recv(inside, packet, sizeof(packet), &fds, 1, MSG_DONTWAIT)) > 0)
		hy_fds_close(&fds);
	return n == -EAGAIN || n == -EINTR ? 0 : -EPIPE;
}

/* A call that was under way is none any more: the answer is of a later look. */
static ssize_t hear(int inside, uint8_t *packet, struct hy_fds *fds)
{
	ssize_t n;

	do {
		hy_fds_close(fds);
		n = hy_fds_recv(inside, packet, ANSWER_LEN, fds, 1, 0);
	} while (n == CALL_LEN);
	return n;
}

int chan_door_ask(int inside, const struct chan_addr *addr, bool *calls, struct hy_err *e)
{
	__attribute__((cleanup(hy_fds_close))) struct hy_fds fds = { 0 };
	uint8_t packet[ANSWER_LEN];
	struct hy_rd r = { .p = packet, .left = sizeof(packet) };
	const char *kind = chan_kind_name(addr->kind);
	ssize_t n;
	int error;

	*calls = false;
	(void)chan_door_called(inside);
	n = hy_fds_send(inside, "", 1, NULL, MSG_DONTWAIT);
	if (n >= 0)
		n = hear(inside, packet, &fds);
	if (n == -EAGAIN)
		return hy_err_set(e, ETIMEDOUT, "channel %s: the keeper does not answer", kind);
	if (n != sizeof(packet))
		return hy_err_set(e, n < 0 ? (int)-n : EPIPE, "channel %s: ask the keeper", kind);
	error = (int)hy_rd_le32(&r);
	*calls = hy_rd_le32(&r);
	if (error || fds.n != 1)
		return hy_err_set(e, error ? error : EPROTO, "channel '%s:%s': open it", kind,
				  addr->path);
	return hy_fd_steal(&fds.fd[0]);
}
