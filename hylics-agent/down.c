/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * down.c - from the program to the client, as long as the host has the connection
 *
 * Runs in: hylics-agent
 * Reads from: the program through its pair (hostile); the host over the channel (checked)
 *
 * What a look has shown is said to the host first, and counts as seen when the channel took it:
 * a look whose message finds no room is forgotten and made again.
 */
#include "hylics-agent/down.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "common/own.h"
#include "hylics-agent/grow.h"
#include "hylics-agent/home.h"
#include "hylics-agent/pair.h"
#include "hylics-agent/serve.h"

/* -- one item to the host -- */

static int say(struct agent *a, struct conn *c, const struct move_item *m)
{
	int n = move_item_encode(m, a->packet, sizeof(a->packet));

	hy_fault(FAULT_PAIR_SENT);
	return n < 0 ? n : chan_send(a->chan, MSG_ITEM, c->id, a->packet, (size_t)n);
}

/* How much of an item the copy has already. */
static uint64_t had(const struct conn *c, const struct item *it)
{
	uint64_t n = c->down_sent > it->pos ? c->down_sent - it->pos : 0;

	return n < it->len ? n : it->len;
}

/* Where the part of it begins that is to be said; @told: of it was said before. */
static uint64_t unsaid(const struct conn *c, const struct item *it, uint64_t told)
{
	uint64_t n = had(c, it);

	return n > told ? n : told;
}

/* Bytes the host was given and has not sent: plain ones, and those of a file that is read here. */
static uint32_t ahead(const struct conn *c)
{
	uint64_t inlined = c->inlined > c->down_sent ? c->inlined - c->down_sent : 0;
	uint64_t all = inlined + c->plain_ahead;

	return all < MOVE_DATA_MAX ? (uint32_t)all : MOVE_DATA_MAX;
}

static int say_plain(struct agent *a, struct conn *c, const struct item *it, const uint8_t *bytes)
{
	uint64_t skip = had(c, it);
	const struct move_item m = { .pos = it->pos + skip, .kind = ITEM_DATA,
				     .bytes = bytes + skip,
				     .bytes_len = (uint32_t)(it->len - skip) };
	int rc = m.bytes_len ? say(a, c, &m) : 0;

	if (rc < 0)
		return rc;
	c->plain_row++;
	a->count.plain_bytes += m.bytes_len;
	return 0;
}

/* What the host cannot read is read here, a piece whenever it has the one before. */
/* syscalls: pread64 */
static int say_inline(struct agent *a, struct conn *c, const struct item *it, uint64_t told)
{
	uint64_t from = it->pos + unsaid(c, it, told);
	uint8_t bytes[MOVE_DATA_MAX];
	struct move_item m = { .pos = from, .kind = ITEM_DATA, .bytes = bytes };
	size_t want = MOVE_DATA_MAX - ahead(c);
	ssize_t n;
	int rc;

	if (c->inlining && from < c->inlined)
		return 0;
	if (want == 0) {
		c->inlined = from;
		c->inlining = true;
		return 0;
	}
	if (want > it->pos + it->len - from)
		want = (size_t)(it->pos + it->len - from);
	n = pread(it->file ? it->file->fd : it->fd, bytes, want,
		  (off_t)(it->offset + (from - it->pos)));
	if (n <= 0)
		return -ENODATA;
	m.bytes_len = (uint32_t)n;
	rc = say(a, c, &m);
	if (rc < 0)
		return rc;
	a->count.inline_bytes += (uint64_t)n;
	c->inlined = from + (uint64_t)n;
	c->inlining = c->inlined < it->pos + it->len;
	return 0;
}

static bool read_here(const struct conn *c, const struct item *it)
{
	return c->stuck && it->pos <= c->stuck_at && c->stuck_at < it->pos + it->len;
}

static int say_slice(struct agent *a, struct conn *c, const struct item *it, uint64_t told)
{
	uint64_t skip = unsaid(c, it, told);
	struct move_item m = { .pos = it->pos + skip, .kind = ITEM_SLICE,
			       .offset = it->offset + skip, .len = it->len - skip };
	int rc = -ENOENT;

	if (m.len == 0)
		return 0;
	if (it->file && !read_here(c, it))
		rc = file_number(a, it->file, &m.file);
	if (rc == -ENOENT)
		return say_inline(a, c, it, told);
	if (rc == 0)
		rc = say(a, c, &m);
	if (rc < 0)
		return rc;
	c->plain_row = 0;
	c->up_since_slice = 0;
	a->count.slices++;
	cost_slice(a);
	return 0;
}

/* -- from the pair to the host -- */

static const char closed_unread[] = "the program closed with bytes unread";
static const char closed_by_reset[] = "the program wanted its close to be a reset";

static int reset(struct agent *a, struct conn *c, const char *why)
{
	conn_reset(a, c, why);
	return CONN_GONE;
}

static int take_plain(struct agent *a, struct conn *c, const struct pair_look *look)
{
	const struct item it = { .pos = c->down_next, .len = look->plain_len, .kind = ITEM_DATA,
				 .fd = -1 };
	int rc = look->plain_len ? say_plain(a, c, &it, look->plain) : 0;

	if (rc == 0 && look->plain_len)
		conn_add_item(c, &it);
	return rc;
}

/* All of it is said; if it has to be said again, the pair brings another descriptor. */
static void close_read(const struct conn *c, struct item *it)
{
	if (!c->inlining && !it->grows)
		hy_fd_close(&it->fd);
}

static const char too_short[] = "a file has less than was promised";
static const char grows_wrong[] = "a marker grows as none does";

/* What is known of the last item and was not yet said; 0, -EAGAIN, CONN_GONE */
static int say_rest(struct agent *a, struct conn *c, struct item *it)
{
	struct item more = *it;
	int rc;

	more.len = it->whole;
	rc = say_slice(a, c, &more, it->len);
	if (rc < 0)
		return rc == -ENODATA ? reset(a, c, too_short) : rc;
	hy_fault(FAULT_GROW_TOLD);
	conn_grow_item(c, it);
	close_read(c, it);
	a->count.grown++;
	return 0;
}

static struct item *last_slice(struct conn *c)
{
	struct item *it = c->n_items ? conn_item(c, c->n_items - 1u) : NULL;

	return it && it->kind == ITEM_SLICE ? it : NULL;
}

/*
 * Something stands behind the last item: it has its length.
 * Return: 1: all of it is said, 0: it must be read here first, -EAGAIN, CONN_GONE
 */
static int settle(struct agent *a, struct conn *c)
{
	struct item *it = last_slice(c);
	int rc = 0;

	if (!it)
		return 1;
	if (it->grows && grow_end(it) < 0)
		return reset(a, c, grows_wrong);
	if (it->whole > it->len)
		rc = say_rest(a, c, it);
	return rc < 0 ? rc : !c->inlining && c->n_told < HY_ITEMS_MAX;
}

/* Nothing stands behind it now: is there more of it, or can it be taken out? */
static int go_on_growing(struct agent *a, struct conn *c)
{
	struct item *it = last_slice(c);

	if (!it || c->inlining || c->down_sent < it->pos + it->len)
		return 0;
	if (it->grows && grow_look(it) < 0)
		return reset(a, c, grows_wrong);
	if (it->whole > it->len)
		return say_rest(a, c, it);
	return down_sent(a, c, c->down_sent) ? 0 : CONN_GONE;
}

static int take_marker(struct agent *a, struct conn *c, struct pair_look *look)
{
	struct item it = { .pos = c->down_next, .len = look->marker.len, .kind = ITEM_SLICE,
			   .tells = look->marker.flags & LOCAL_MARK_TELL,
			   .offset = look->marker.offset, .fd = -1 };
	int fd = hy_fd_steal(&look->file);
	int rc = file_use(a, fd, &it.file);

	if (rc < 0) {
		hy_fd_drop(&fd);
		return reset(a, c, "a marker's file is none");
	}
	it.fd = it.file ? -1 : fd;
	rc = grow_item(c, &look->marker, &it) < 0 ? -EPROTO : say_slice(a, c, &it, 0);
	if (rc == 0) {
		close_read(c, &it);
		conn_add_item(c, &it);
		return 0;
	}
	file_done(a, it.file);
	hy_fd_close(&it.fd);
	if (rc == -EPROTO)
		return reset(a, c, grows_wrong);
	return rc == -ENODATA ? reset(a, c, too_short) : rc;
}

static int take_bytes(struct agent *a, struct conn *c, struct pair_look *look, uint32_t peek_at)
{
	int rc = take_plain(a, c, look);

	if (rc < 0) {
		hy_fd_drop(&look->file);
		c->peek_at = peek_at;
		return rc;
	}
	if (!look->has_marker)
		return 0;
	/* two items of one look, and a place for one: the host takes no more than it expects */
	if (c->n_told >= HY_ITEMS_MAX) {
		hy_fd_close(&look->file);
		c->peek_at = peek_at + look->plain_len;
		return 0;
	}
	rc = take_marker(a, c, look);
	if (rc == -EAGAIN)
		c->peek_at = peek_at + look->plain_len;
	return rc;
}

static int take_end(struct agent *a, struct conn *c, enum move_item_kind kind)
{
	const struct item end = { .pos = c->down_next, .kind = (uint8_t)kind, .fd = -1 };
	const struct move_item m = { .pos = end.pos, .kind = end.kind };
	int rc = say(a, c, &m);

	if (rc < 0)
		return rc;
	c->seen_shut = true;
	c->seen_close = kind == ITEM_CLOSE;
	conn_add_item(c, &end);
	return 0;
}

static enum pair_found look(struct agent *a, struct conn *c, struct pair_look *l)
{
	if (c->seen_close)
		return PAIR_NOTHING;
	if (c->seen_shut)
		return c->pair.hung ? PAIR_CLOSED : PAIR_NOTHING;
	return pair_look(a, c, MOVE_DATA_MAX - ahead(c), l);
}

/* Return: 1: something was said, 0: there is nothing more, -EAGAIN, CONN_GONE */
static int look_and_say(struct agent *a, struct conn *c)
{
	uint32_t peek_at = c->peek_at;
	struct pair_look l = { .file = -1 };
	enum pair_found found = look(a, c, &l);
	int rc = found == PAIR_NOTHING || found == PAIR_RESET ? 1 : settle(a, c);

	if (rc <= 0) {
		hy_fd_drop(&l.file);
		if (rc != CONN_GONE)
			c->peek_at = peek_at;
		return rc;
	}
	switch (found) {
	case PAIR_NOTHING:
		return 0;
	case PAIR_BYTES:
		rc = take_bytes(a, c, &l, peek_at);
		break;
	case PAIR_SHUT:
		rc = take_end(a, c, ITEM_SHUT);
		break;
	case PAIR_CLOSED:
		rc = c->resets ? conn_doom(a, c, closed_by_reset) : take_end(a, c, ITEM_CLOSE);
		break;
	default:
		rc = conn_doom(a, c, closed_unread);
		break;
	}
	if (rc == 0 && !down_sent(a, c, c->down_sent))
		return CONN_GONE;
	return rc < 0 ? rc : 1;
}

/* Ends stand beside the items of the limit. */
static bool has_room(const struct conn *c)
{
	return !c->inlining && !c->seen_close && !c->doom && ahead(c) < MOVE_DATA_MAX &&
	       c->n_told < HY_ITEMS_MAX;
}

static int go_on_inline(struct agent *a, struct conn *c)
{
	struct item *last = conn_item(c, c->n_items - 1u);
	int rc;

	if (!c->inlining)
		return 0;
	rc = say_inline(a, c, last, 0);
	if (rc == 0)
		close_read(c, last);
	return rc == -ENODATA ? reset(a, c, too_short) : rc;
}

static void set_interest(struct agent *a, struct conn *c, bool channel_full)
{
	uint32_t events = c->up_full ? EPOLLOUT : 0u;

	/* by edges: what was looked at stays in the pair, and is readable, until it was sent */
	if (has_room(c) && !c->seen_shut && !channel_full)
		events |= EPOLLIN | EPOLLRDHUP | EPOLLET;
	conn_watch_pair(a, c, events);
}

int down_pay(struct agent *a, struct conn *c)
{
	int rc, more = 1;

	if (c->state != CONN_OFFERED && c->state != CONN_MOVED)
		return 0;
	if (c->doom)
		return conn_doom(a, c, c->doom);
	rc = go_on_inline(a, c);
	while (rc == 0 && more > 0 && has_room(c)) {
		more = look_and_say(a, c);
		if (more < 0)
			rc = more;
	}
	if (rc == 0)
		rc = go_on_growing(a, c);
	if (rc != CONN_GONE)
		set_interest(a, c, rc == -EAGAIN);
	return rc;
}

/* -- from the copy back to the pair -- */

/* Return: how many of an item's bytes can be taken out now */
static uint64_t can_take(const struct conn *c, const struct item *it)
{
	uint64_t n = had(c, it);

	if (it->kind != ITEM_SLICE)
		return n;
	return n < it->len || it->grows || it->whole > it->len ? 0 : n;
}

/* Return: 1: the first item is out, 0: not yet all of it, -EPROTO */
static int take_first(struct agent *a, struct conn *c)
{
	struct item *it = conn_item(c, 0);
	uint64_t n = can_take(c, it);

	if (n == 0)
		return 0;
	if (pair_take(a, c, n, it->kind == ITEM_SLICE ? it : NULL) < 0)
		return -EPROTO;
	if (n == it->len) {
		conn_drop_item(a, c);
		return 1;
	}
	it->pos += n;
	it->len -= n;
	c->plain_ahead -= (uint32_t)n;
	return 1;
}

bool down_sent(struct agent *a, struct conn *c, uint64_t pos)
{
	uint64_t slices = 0;
	int rc = 1;

	if (pos > c->down_sent)
		c->down_sent = pos;
	while (rc > 0 && c->n_items) {
		const struct item it = *conn_item(c, 0);

		rc = take_first(a, c);
		if (rc > 0 && it.kind == ITEM_SLICE)
			slices += it.len;
	}
	if (slices)
		conn_pace(c, slices);
	if (rc < 0)
		conn_reset(a, c, "the pair is not what it was");
	return rc >= 0;
}

/*
 * What was said before a session, a STUCK or an offer home is looked at again, and the host may be
 * ahead of that: as long as the look is owed, or gets no further than a file that is read here.
 */
bool down_may_be(const struct conn *c, uint64_t pos)
{
	return pos >= c->down_sent &&
	       (pos <= c->down_next || (c->owes & OWES_ITEMS) || c->inlining);
}

/* The connection a position is about, which must be one that makes sense; NULL: none. */
static struct conn *of_position(struct agent *a, const struct message *msg, struct move_pos *m)
{
	struct conn *c = conn_find(a, msg->id);

	if (!c || (c->state != CONN_OFFERED && c->state != CONN_MOVED))
		return NULL;
	/* an adoption is said before anything else: what comes earlier is about nothing */
	if (c->state == CONN_MOVED && down_may_be(c, m->pos))
		return c;
	conn_reset(a, c, "the host is where nothing was");
	return NULL;
}

/* What a SENT or a STUCK says first; @c is NULL if there is nothing more to do. */
static int take_position(struct agent *a, const struct message *msg, struct move_pos *m,
			 struct conn **c)
{
	if (move_pos_decode(msg->payload, msg->len, m) < 0)
		return -EPROTO;
	*c = of_position(a, msg, m);
	if (*c && !down_sent(a, *c, m->pos))
		*c = NULL;
	return 0;
}

int down_take_sent(struct agent *a, const struct message *msg)
{
	struct move_pos m;
	struct conn *c;
	int rc = take_position(a, msg, &m, &c);

	if (rc < 0 || !c)
		return rc;
	home_if_small(a, c);
	conn_owe(a, c, OWES_ITEMS);
	return 0;
}

int down_take_stuck(struct agent *a, const struct message *msg)
{
	struct move_pos m;
	struct conn *c;
	int rc = take_position(a, msg, &m, &c);

	if (rc < 0 || !c)
		return rc;
	conn_rewind(a, c);
	c->stuck = true;
	c->stuck_at = m.pos;
	conn_owe(a, c, OWES_ITEMS);
	return 0;
}

/* -- the pair's events -- */

/* syscalls: getsockopt */
static bool was_reset(const struct conn *c)
{
	int err = 0;
	socklen_t len = sizeof(err);

	return getsockopt(c->pair.fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err != 0;
}

static int pair_handle(void *object, int fd, uint32_t events)
{
	struct conn *c = object;
	struct agent *a = c->agent;
	unsigned int owes = OWES_ITEMS;
	uint64_t began;

	(void)fd;
	if (c->given) {
		if (events & (EPOLLHUP | EPOLLERR))
			conn_end(a, c);	/* the program has its socket back */
		return 0;
	}
	if (events & (EPOLLHUP | EPOLLERR)) {
		c->pair.hung = true;
		if (was_reset(c)) {
			conn_doom(a, c, closed_unread);
			return 0;
		}
	}
	if (c->state == CONN_LOCAL) {
		serve_pair(a, c, events);
		return 0;
	}
	if (c->state == CONN_LOST || c->state == CONN_HOMING) {
		conn_watch_pair(a, c, 0);
		return 0;
	}
	if (c->up_full && (events & (EPOLLOUT | EPOLLHUP))) {
		c->up_full = false;
		owes |= OWES_TAKEN;
	}
	/* what cannot be said now would be told again and again; the debt brings the events back */
	if (c->waits_room)
		conn_watch_pair(a, c, 0);
	began = cost_begin_slices(a);
	conn_owe(a, c, owes);
	cost_slices(a, began);
	return 0;
}

static void pair_drop(void *object, int fd, int rc)
{
	struct conn *c = object;

	(void)fd;
	(void)rc;
	conn_reset(c->agent, c, "the pair cannot be watched");
}

const struct ev_class down_pair_class = { "pair", pair_handle, pair_drop };
