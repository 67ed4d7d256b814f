/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * send.c - puts what waits into a copy's send queue, in turns
 *
 * Runs in: hylics-worker
 * Reads from: files of the share, which the guest may change at any time
 */
#include "hylics-worker/send.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/fault.h"
#include "hylics-worker/home.h"
#include "hylics-worker/items.h"
#include "hylics-worker/moves.h"
#include "tcpmove/discard.h"

enum outcome { DONE, PARTLY, OVER };	/* OVER: nothing more can be sent on this connection now */

/* Of unread bytes a close throws away so many: more than a twin's tcp_rmem lets a socket hold. */
#define UNREAD_MAX (64u << 20)

/* syscalls: setsockopt(_, IPPROTO_TCP) */
static void set_cork(struct conn *c, bool on)
{
	int value = on || c->cork;

	if (c->corked == value)
		return;
	setsockopt(c->sock, IPPROTO_TCP, TCP_CORK, &value, sizeof(value));
	c->corked = value;
}

void send_cork(struct conn *c, bool on)
{
	c->cork = on;
	if (on || !c->n_items)
		set_cork(c, false);
}

void send_push(struct conn *c)
{
	set_cork(c, false);
}

static enum outcome failed(struct moves *m, struct conn *c, int err)
{
	if (err == EAGAIN) {
		c->writable = false;
		return PARTLY;
	}
	conn_lost(m, c, err);
	return OVER;
}

/* Of an item; what the guest's own socket had not sent may leave before. */
static void count_first_byte(struct conn *c)
{
	uint64_t now = hy_clock_ns();

	hy_hist_add(&c->moves->stages->first, now - c->live_ns);
	hy_hist_add(&c->moves->stages->whole, now - c->offered_ns);
	c->live_ns = 0;
}

static void went(struct conn *c, size_t n, size_t *budget)
{
	if (c->live_ns)
		count_first_byte(c);
	c->sent += n;
	c->item[c->first_item].len -= (uint32_t)n;
	*budget -= n < *budget ? n : *budget;
}

/* syscalls: sendto */
static enum outcome send_data(struct moves *m, struct conn *c, size_t *budget)
{
	const struct item *it = &c->item[c->first_item];
	int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (c->n_items > 1 ? MSG_MORE : 0);
	ssize_t n = send(c->sock, conn_plain(m, c) + c->plain_at, it->len, flags);

	if (n < 0)
		return failed(m, c, errno);
	c->plain_at += (uint32_t)n;
	m->count->bytes_plain += (uint64_t)n;
	went(c, (size_t)n, budget);
	return it->len ? PARTLY : DONE;
}

/*
 * The guest must read this piece itself: what was accepted from here on is void, and it will be
 * said again. A file that got shorter, a number of a file that could not be opened.
 */
static enum outcome get_stuck(struct moves *m, struct conn *c)
{
	m->count->stuck++;
	items_drop(m, c);
	conn_settle(m, c);
	c->stuck = c->known;
	return OVER;
}

static bool is_of_the_socket(int err)
{
	return err == EPIPE || err == ECONNRESET || err == ETIMEDOUT || err == EAGAIN ||
	       err == ENOTCONN || err == EHOSTUNREACH || err == ENETUNREACH || err == ECONNREFUSED;
}

/* syscalls: sendfile */
static enum outcome send_slice(struct moves *m, struct conn *c, size_t *budget)
{
	struct item *it = &c->item[c->first_item];
	bool whole = it->len <= *budget;
	size_t want = whole ? it->len : *budget;
	off_t offset = (off_t)it->offset;
	ssize_t n;

	if (it->file == FILES_NONE)
		return get_stuck(m, c);
	/* sendfile() pushes at its end: a small segment, unless something follows */
	if (!whole || c->n_items > 1)
		set_cork(c, true);
	n = sendfile(c->sock, files_fd(m, it->file), &offset, want);
	if (n == 0 || (n < 0 && !is_of_the_socket(errno)))
		return get_stuck(m, c);
	if (n < 0)
		return failed(m, c, errno);
	it->offset = (uint64_t)offset;
	m->count->bytes_file += (uint64_t)n;
	went(c, (size_t)n, budget);
	if (it->len)
		hy_fault(FAULT_SEND_MIDDLE);
	return it->len ? PARTLY : DONE;
}

/* syscalls: shutdown */
static enum outcome send_shut(struct moves *m, struct conn *c)
{
	send_push(c);
	if (shutdown(c->sock, SHUT_WR) < 0)
		return failed(m, c, errno);
	return DONE;
}

/*
 * Everything the program said is in the socket, and it has gone. What its client says from now on
 * nobody reads; were it left unread, the kernel would answer the close with a RST that throws away
 * what the client has not got yet.
 */
/* syscalls: setsockopt(_, SOL_SOCKET, SO_LINGER), shutdown */
static enum outcome send_close(struct moves *m, struct conn *c)
{
	const struct linger normal = { 0 };

	send_push(c);
	shutdown(c->sock, SHUT_WR);
	(void)tcp_discard(c->sock, UNREAD_MAX);
	setsockopt(c->sock, SOL_SOCKET, SO_LINGER, &normal, sizeof(normal));
	conn_gone(m, c, END_CLOSED);
	return OVER;
}

static enum outcome send_item(struct moves *m, struct conn *c, size_t *budget)
{
	if (c->sent == 0 && c->item[c->first_item].len)
		hy_fault(FAULT_SEND_FIRST);
	switch (c->item[c->first_item].kind) {
	case ITEM_DATA:
		return send_data(m, c, budget);
	case ITEM_SLICE:
		return send_slice(m, c, budget);
	case ITEM_SHUT:
		return send_shut(m, c);
	default:
		return send_close(m, c);
	}
}

static bool may_send(const struct conn *c)
{
	return c->sock >= 0 && !c->end &&
	       (c->state == CONN_LIVE || c->state == CONN_ALONE || c->state == CONN_CLOSING);
}

/* For tests: a connection that is to go home at a certain byte. */
static bool was_enough(const struct moves *m, const struct conn *c)
{
	return m->cfg.home_after && c->sent >= m->cfg.home_after && c->state == CONN_LIVE &&
	       !c->stays;
}

/*
 * Every word wakes the guest. It is needed at the latest when the program may wait for it: at the
 * end of what it said, or with three quarters of it gone, since a full pair takes nothing earlier.
 * A slow client's progress is told all the same.
 */
static bool should_tell(const struct conn *c)
{
	return c->stuck || c->n_items <= c->most_items / 4u ||
	       hy_clock_ms() - c->told_ms >= HY_SLICE_MS;
}

bool send_turn(struct moves *m, struct conn *c)
{
	size_t budget = HY_SEND_TURN_BYTES;
	bool popped = false;

	if (!may_send(c))
		return false;
	m->count->turns++;
	while (c->n_items && c->writable && budget) {
		enum outcome o = send_item(m, c, &budget);

		if (o == OVER)
			break;
		if (o != DONE)
			continue;
		items_pop(m, c);
		popped = true;
	}
	if (c->sock < 0 || c->state == CONN_ENDED || c->state == CONN_FREE)
		return false;
	if (!c->n_items && !c->end)
		send_push(c);
	/* of a piece in the middle the guest can make nothing */
	if ((popped || c->stuck) && should_tell(c))
		moves_tell(m, c);
	if (was_enough(m, c))
		home_begin(m, c);
	conn_interest(m, c);
	return c->n_items && c->writable;
}
