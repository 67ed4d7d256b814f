/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serve.c - a connection that is in the guest: the agent carries bytes between pair and kept socket
 *
 * Runs in: hylics-agent
 * Reads from: the program through its pair, its client through the socket (both hostile)
 *
 * What the socket takes is taken out of the pair afterwards, what the pair takes is taken out of
 * the socket afterwards: a successor finds every byte in one of them, and by the kernel's counts
 * how far this process had come.
 */
#include "hylics-agent/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "common/own.h"
#include "hylics-agent/grow.h"
#include "hylics-agent/pair.h"
#include "hylics-agent/up.h"
#include "tcpmove/discard.h"

#define UP_TURN_BYTES (64u << 10)

enum went { WENT_ON, WENT_NOWHERE, WENT_AWAY };	/* AWAY: the connection is gone */

static enum went reset(struct agent *a, struct conn *c, const char *why)
{
	conn_reset(a, c, why);
	return WENT_AWAY;
}

/* The client has reset the connection, or it timed out: the kernel has told the socket's end. */
static enum went ended(struct agent *a, struct conn *c, int err)
{
	if (err)
		c->over = err == ETIMEDOUT ? SLOT_TIMED_OUT : SLOT_RESET;
	conn_end(a, c);
	return WENT_AWAY;
}

/* -- program to client -- */

/* syscalls: shutdown */
static enum went shut_down(struct agent *a, struct conn *c)
{
	(void)a;
	shutdown(c->kept.fd, SHUT_WR);
	c->seen_shut = c->down_end = true;
	return WENT_ON;
}

/* syscalls: shutdown */
static enum went close_normally(struct agent *a, struct conn *c)
{
	conn_linger(c->kept.fd, c->resets);
	shutdown(c->kept.fd, SHUT_WR);
	return ended(a, c, 0);
}

/* The last of what the program said has gone; what a cork or MSG_MORE held back goes too. */
/* syscalls: setsockopt(_, IPPROTO_TCP) */
static enum went push(struct conn *c)
{
	int off = 0;

	if (c->unpushed && !c->cork)
		setsockopt(c->kept.fd, IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
	c->unpushed = false;
	return WENT_NOWHERE;
}

static enum went take_out(struct agent *a, struct conn *c, uint64_t bytes,
			  const struct item *marker)
{
	if (pair_take(a, c, bytes, marker) < 0)
		return reset(a, c, "the pair is not what it was");
	return WENT_ON;
}

/* syscalls: sendto */
static enum went send_plain(struct agent *a, struct conn *c, const struct pair_look *l)
{
	uint64_t had = c->down_sent - c->down_taken;
	uint32_t skip = had < l->plain_len ? (uint32_t)had : l->plain_len;
	int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (l->has_marker ? MSG_MORE : 0);
	ssize_t n = 0;

	if (skip < l->plain_len)
		n = send(c->kept.fd, l->plain + skip, l->plain_len - skip, flags);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return ended(a, c, errno);
	if (n > 0) {
		c->down_sent += (uint64_t)n;
		skip += (uint32_t)n;
		a->count.plain_bytes += (uint64_t)n;
	}
	if (skip && take_out(a, c, skip, NULL) == WENT_AWAY)
		return WENT_AWAY;
	return skip == l->plain_len ? WENT_ON : WENT_NOWHERE;
}

static const char grows_wrong[] = "a marker grows as none does";

static enum went hold_marker(struct agent *a, struct conn *c, struct pair_look *l)
{
	struct item it = { .pos = c->down_taken, .len = l->marker.len, .kind = ITEM_SLICE,
			   .tells = l->marker.flags & LOCAL_MARK_TELL,
			   .offset = l->marker.offset, .fd = -1 };
	int fd = hy_fd_steal(&l->file);

	if (file_use(a, fd, &it.file) < 0) {
		hy_fd_drop(&fd);
		return reset(a, c, "a marker's file is none");
	}
	if (grow_item(c, &l->marker, &it) < 0) {
		file_done(a, it.file);
		if (!it.file)
			hy_fd_drop(&fd);
		return reset(a, c, grows_wrong);
	}
	it.fd = it.file ? -1 : fd;
	conn_add_item(c, &it);
	why_slice(a, c);
	c->unpushed = true;
	return WENT_ON;
}

static enum went send_bytes(struct agent *a, struct conn *c, struct pair_look *l)
{
	enum went w = l->plain_len ? send_plain(a, c, l) : WENT_ON;

	if (w == WENT_ON && l->has_marker)
		return hold_marker(a, c, l);
	hy_fd_drop(&l->file);
	if (w == WENT_NOWHERE) {
		c->peek_at = 0;
		c->down_blocked = true;
	}
	return w;
}

static enum went look(struct agent *a, struct conn *c)
{
	struct pair_look l;

	if (c->seen_shut)
		return c->pair.hung ? close_normally(a, c) : WENT_NOWHERE;
	switch (pair_look(a, c, MOVE_DATA_MAX, &l)) {
	case PAIR_NOTHING:
		return push(c);
	case PAIR_BYTES:
		return send_bytes(a, c, &l);
	case PAIR_SHUT:
		return shut_down(a, c);
	case PAIR_CLOSED:
		return close_normally(a, c);
	default:
		return reset(a, c, "the program closed with bytes unread");
	}
}

/* syscalls: pread64, sendto */
static ssize_t send_copied(struct agent *a, int sock, int file, off_t offset, size_t want)
{
	ssize_t n = pread(file, a->scratch, want < HY_CHUNK_MAX ? want : HY_CHUNK_MAX, offset);

	return n > 0 ? send(sock, a->scratch, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) : n;
}

/*
 * sendfile() knows no MSG_DONTWAIT, and a program that has kept the socket, too, can have it wait
 * whenever it likes. An alarm ends that; from then on its bytes are copied, which is slower.
 */
/* syscalls: sendfile */
static ssize_t send_file(struct agent *a, struct conn *c, int file, off_t offset, size_t want)
{
	uint64_t began = cost_begin_plain(a);
	ssize_t n;
	int err;

	if (c->copied) {
		n = send_copied(a, c->kept.fd, file, offset, want);
	} else {
		(void)pair_alarm(true);
		n = sendfile(c->kept.fd, file, &offset, want);
		err = errno;
		c->copied = pair_alarm(false);
		errno = err;
	}
	cost_plain(a, began, n > 0 ? (uint64_t)n : 0);
	return n;
}

/* All that was known of it is sent. */
static enum went end_slice(struct agent *a, struct conn *c, struct item *it)
{
	struct item gone;

	if (it->grows && grow_look(it) < 0)
		return reset(a, c, grows_wrong);
	if (it->whole > it->len) {
		conn_grow_item(c, it);
		a->count.grown++;
		return WENT_ON;
	}
	a->count.slices++;
	conn_pace(c, it->len);
	gone = *it;
	conn_drop_item(a, c);
	return take_out(a, c, c->down_sent - c->down_taken, &gone);
}

static enum went send_slice(struct agent *a, struct conn *c, size_t *budget)
{
	struct item *it = conn_item(c, 0);
	uint64_t had = c->down_sent - it->pos;
	size_t want = it->len - had < *budget ? (size_t)(it->len - had) : *budget;
	off_t offset = (off_t)(it->offset + had);
	ssize_t n = 0;

	if (want)
		n = send_file(a, c, it->file ? it->file->fd : it->fd, offset, want);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		c->down_blocked = true;
		return WENT_NOWHERE;
	}
	if (n < 0 && (errno == EPIPE || errno == ECONNRESET || errno == ETIMEDOUT))
		return ended(a, c, errno);
	if (n < 0 || (n == 0 && want))
		return reset(a, c, "a file has less than was promised");
	c->down_sent += (uint64_t)n;
	*budget -= (size_t)n;
	if (c->down_sent < it->pos + it->len)
		return WENT_ON;
	return end_slice(a, c, it);
}

static enum went serve_down(struct agent *a, struct conn *c)
{
	size_t budget = HY_SEND_TURN_BYTES;
	enum went w = WENT_ON;

	c->down_blocked = false;
	while (w == WENT_ON && budget)
		w = c->n_items ? send_slice(a, c, &budget) : look(a, c);
	if (w == WENT_ON)
		c->down_blocked = true;		/* the next turn comes when others had theirs */
	return w;
}

/* -- client to program -- */

static enum went skip_delivered(struct agent *a, struct conn *c)
{
	c->up_skip -= tcp_discard(c->kept.fd, c->up_skip);
	return c->up_skip ? reset(a, c, "bytes that came home are not there") : WENT_ON;
}

static enum went deliver(struct agent *a, struct conn *c, size_t len)
{
	ssize_t n = pair_deliver(a, c, a->scratch, len);

	if (n < 0) {
		c->up_dead = true;
		return WENT_NOWHERE;
	}
	c->up_full = (size_t)n < len;
	if (tcp_discard(c->kept.fd, (uint64_t)n) != (uint64_t)n)
		return reset(a, c, "bytes that were there are not");
	return c->up_full ? WENT_NOWHERE : WENT_ON;
}

/* syscalls: recvfrom */
static enum went serve_up_once(struct agent *a, struct conn *c)
{
	ssize_t n = recv(c->kept.fd, a->scratch, HY_CHUNK_MAX, MSG_PEEK | MSG_DONTWAIT);

	if (n > 0)
		return deliver(a, c, (size_t)n);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return WENT_NOWHERE;
	if (n < 0)
		return ended(a, c, errno);
	up_end(c);
	return WENT_NOWHERE;
}

static enum went serve_up(struct agent *a, struct conn *c)
{
	enum went w = skip_delivered(a, c);

	c->up_full = false;
	for (unsigned int n = 0; w == WENT_ON && n < UP_TURN_BYTES / HY_CHUNK_MAX; n++)
		w = serve_up_once(a, c);
	return w;
}

/* -- both -- */

static void set_interest(struct agent *a, struct conn *c)
{
	uint32_t pair = c->up_full ? EPOLLOUT : 0u, kept = c->down_blocked ? EPOLLOUT : 0u;

	if (!c->down_blocked && !c->seen_shut)
		pair |= EPOLLIN | EPOLLRDHUP;
	if (!c->up_full && !c->up_end && !c->up_dead)
		kept |= EPOLLIN;
	conn_watch_pair(a, c, pair);
	conn_watch_kept(a, c, kept);
}

/* syscalls: fcntl(_, F_GETFL), fcntl(_, F_SETFL) */
void serve_start(struct agent *a, struct conn *c)
{
	int flags = fcntl(c->kept.fd, F_GETFL);

	if (c->doom) {
		conn_reset(a, c, c->doom);
		return;
	}
	if (flags >= 0 && !(flags & O_NONBLOCK))
		fcntl(c->kept.fd, F_SETFL, flags | O_NONBLOCK);
	c->unpushed = true;
	serve_count(a, c);
	if (serve_up(a, c) != WENT_AWAY && serve_down(a, c) != WENT_AWAY)
		set_interest(a, c);
}

void serve_pair(struct agent *a, struct conn *c, uint32_t events)
{
	if ((events & (EPOLLOUT | EPOLLHUP)) && c->up_full && serve_up(a, c) == WENT_AWAY)
		return;
	if ((!c->down_blocked || c->pair.hung) && serve_down(a, c) == WENT_AWAY)
		return;
	set_interest(a, c);
}

/* syscalls: getsockopt */
static int kept_handle(void *object, int fd, uint32_t events)
{
	struct conn *c = object;
	struct agent *a = c->agent;
	int err = 0;
	socklen_t len = sizeof(err);

	if (events & (EPOLLERR | EPOLLHUP)) {
		c->kept.hung = true;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err) {
			(void)ended(a, c, err);
			return 0;
		}
	}
	if (c->state != CONN_LOCAL) {		/* silenced, which epoll tells once */
		conn_watch_kept(a, c, 0);
		return 0;
	}
	if ((events & (EPOLLIN | EPOLLHUP)) && !c->up_end && !c->up_full &&
	    serve_up(a, c) == WENT_AWAY)
		return 0;
	if ((events & EPOLLOUT) && serve_down(a, c) == WENT_AWAY)
		return 0;
	set_interest(a, c);
	return 0;
}

static void kept_drop(void *object, int fd, int rc)
{
	struct conn *c = object;

	(void)fd;
	(void)rc;
	conn_reset(c->agent, c, "the socket cannot be watched");
}

const struct ev_class serve_kept_class = { "kept socket", kept_handle, kept_drop };

void serve_count(struct agent *a, struct conn *c)
{
	uint64_t queued, read;

	if (tcp_stream_counts(c->kept.fd, 0, &queued, &read, NULL) == 0)
		table_counts(a, c, queued - c->down_sent, read - (c->up - c->up_skip));
}

/* syscalls: ioctl(_, SIOCOUTQ), recvfrom, setsockopt(_, SOL_SOCKET, SO_PEEK_OFF) */
bool serve_is_idle(struct agent *a, struct conn *c)
{
	int unread = 0, zero = 0;
	uint8_t byte;

	(void)a;
	if (c->state != CONN_LOCAL || c->drain.waits || c->n_items)
		return false;
	if (c->seen_shut || c->up_end || c->up_skip)
		return false;
	if (c->down_sent != c->down_taken || ioctl(c->pair.fd, SIOCOUTQ, &unread) < 0 || unread)
		return false;
	c->peek_off = -1;
	if (setsockopt(c->pair.fd, SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof(zero)) < 0)
		return false;
	return recv(c->pair.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}
