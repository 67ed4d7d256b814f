/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conn.c - the connections that programs have given to the agent: table, states, watching, ends
 *
 * Runs in: hylics-agent
 * Reads from: no untrusted input; what others do with a connection is checked where they do it
 */
#include "hylics-agent/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/fdpass.h"
#include "common/own.h"
#include "hylics-agent/agent.h"
#include "hylics-agent/down.h"
#include "hylics-agent/pace.h"
#include "hylics-agent/serve.h"

#define ROW_BITS 14
_Static_assert(HY_CONNS_MAX == 1 << ROW_BITS, "a number is a row and how often it was used");

/* -- the table -- */

int conns_open(struct conns *t, struct hy_err *e)
{
	void *at = mmap(NULL, HY_CONNS_MAX * sizeof(*t->at), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return hy_err_set(e, errno, "table of connections");
	t->at = at;
	t->free = calloc(HY_CONNS_MAX, sizeof(*t->free));
	t->n_free = t->top = 0;
	if (getrandom(&t->first_use, sizeof(t->first_use), 0) != sizeof(t->first_use))
		return hy_err_set(e, errno, "random number");
	TAILQ_INIT(&t->room);
	return t->free ? 0 : hy_err_set(e, ENOMEM, "table of connections");
}

void conns_close(struct conns *t)
{
	if (t->at)
		munmap(t->at, HY_CONNS_MAX * sizeof(*t->at));
	t->at = NULL;
	hy_mem_free(&t->free);
}

uint32_t conn_row(const struct agent *a, const struct conn *c)
{
	return (uint32_t)(c - a->conns.at);
}

static void fill(struct agent *a, struct conn *c, uint32_t id, int kept, int pair)
{
	*c = (struct conn){ .agent = a, .id = id, .uses = id >> ROW_BITS, .state = CONN_LOCAL,
			    .kept.fd = kept, .pair.fd = pair, .peek_off = -1 };
}

static uint32_t new_row(struct conns *t)
{
	t->at[t->top].uses = t->first_use;
	return t->top++;
}

struct conn *conn_new(struct agent *a, int kept, int pair)
{
	struct conns *t = &a->conns;
	uint32_t row, uses;

	if (t->n_free)
		row = t->free[--t->n_free];
	else if (t->top < HY_CONNS_MAX)
		row = new_row(t);
	else
		return NULL;
	uses = (t->at[row].uses + 1) & (UINT32_MAX >> ROW_BITS);
	a->n_conns++;
	fill(a, &t->at[row], uses << ROW_BITS | row, kept, pair);
	return &t->at[row];
}

struct conn *conn_new_at(struct agent *a, uint32_t row, uint32_t id, int kept, int pair)
{
	struct conns *t = &a->conns;

	while (t->top <= row) {
		if (t->top != row)
			t->free[t->n_free++] = t->top;
		new_row(t);
	}
	a->n_conns++;
	fill(a, &t->at[row], id, kept, pair);
	return &t->at[row];
}

struct conn *conn_find(struct agent *a, uint32_t id)
{
	uint32_t row = id & (HY_CONNS_MAX - 1);
	struct conn *c = &a->conns.at[row];

	return row < a->conns.top && c->state != CONN_FREE && c->id == id ? c : NULL;
}

/* -- states -- */

static enum hy_slot_state slot_state(const struct conn *c)
{
	switch (c->state) {
	case CONN_OFFERED:
		return SLOT_ASKED;
	case CONN_LOCAL:
		return SLOT_LOCAL;
	default:
		return SLOT_MOVED;
	}
}

void conn_state(struct agent *a, struct conn *c, enum conn_state state, enum move_reason reason)
{
	c->state = (uint8_t)state;
	c->reason = (uint8_t)reason;
	program_tell(c->program, c->slot, slot_state(c), reason);
	table_state(a, c);
}

/* -- watching -- */

static void watch(struct agent *a, struct conn *c, struct watched *w, const struct ev_class *class,
		  uint32_t events)
{
	struct hy_err e;

	if (w->hung && !events) {	/* epoll would tell of it again and again */
		ev_del(a->loop, w->fd);
		w->in_loop = false;
		return;
	}
	if (w->in_loop && w->events == events)
		return;
	if (w->in_loop)
		(void)ev_mod(a->loop, w->fd, events);
	else if (ev_add(a->loop, w->fd, class, c, events, &e) < 0)
		hy_log_limited(a->log, &a->rate_program, HY_LOG_ERR, "%s", e.text);
	else
		w->in_loop = true;
	w->events = events;
}

void conn_watch_kept(struct agent *a, struct conn *c, uint32_t events)
{
	watch(a, c, &c->kept, &serve_kept_class, events);
}

void conn_watch_pair(struct agent *a, struct conn *c, uint32_t events)
{
	watch(a, c, &c->pair, &down_pair_class, events);
}

static void unwatch(struct agent *a, struct watched *w)
{
	if (w->in_loop)
		ev_del(a->loop, w->fd);
	w->in_loop = false;
}

void conn_unwatch(struct agent *a, struct conn *c)
{
	unwatch(a, &c->kept);
	conn_watch_pair(a, c, 0);
}

/* -- items -- */

struct item *conn_item(struct conn *c, unsigned int i)
{
	return &c->item[(c->first_item + i) % CONN_ITEMS];
}

void conn_add_item(struct conn *c, const struct item *it)
{
	if (c->n_items == 0)
		c->paced_ms = hy_clock_ms();
	*conn_item(c, c->n_items) = *it;
	conn_item(c, c->n_items)->pieces = 1;
	c->n_items++;
	c->n_told++;
	c->down_next = it->pos + it->len;
	if (it->kind == ITEM_DATA)
		c->plain_ahead += (uint32_t)it->len;
}

void conn_grow_item(struct conn *c, struct item *it)
{
	/* of what was told before, nothing is under way any more */
	if (c->down_sent >= it->pos + it->len) {
		c->n_told -= it->pieces;
		it->pieces = 0;
	}
	it->pieces++;
	c->n_told++;
	it->len = it->whole;
	c->down_next = it->pos + it->len;
}

void conn_drop_item(struct agent *a, struct conn *c)
{
	struct item *it = conn_item(c, 0);

	if (it->kind == ITEM_DATA)
		c->plain_ahead -= (uint32_t)it->len;
	file_done(a, it->file);
	hy_fd_close(&it->fd);
	c->n_told -= it->pieces;
	c->first_item = (uint8_t)((c->first_item + 1u) % CONN_ITEMS);
	c->n_items--;
	if (c->n_items == 0)
		c->inlining = false;	/* it is always the last that is read here */
}

void conn_pace(struct conn *c, uint64_t bytes)
{
	uint64_t now_ms = hy_clock_ms();

	c->slice = pace_slice(c->slice, bytes, now_ms - c->paced_ms, c->down_taken);
	c->paced_ms = now_ms;
	program_slice(c->program, c->slot, c->slice);
}

void conn_rewind(struct agent *a, struct conn *c)
{
	while (c->n_items)
		conn_drop_item(a, c);
	c->down_next = c->down_taken;
	c->peek_at = 0;
	c->seen_shut = c->seen_close = c->inlining = false;
	c->inlined = 0;
}

/* -- ends -- */

/* syscalls: setsockopt(_, SOL_SOCKET, SO_LINGER) */
void conn_linger(int sock, bool reset)
{
	struct linger l = { .l_onoff = reset };

	setsockopt(sock, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

static void leave_room(struct agent *a, struct conn *c)
{
	if (c->waits_room)
		TAILQ_REMOVE(&a->conns.room, c, room);
	c->waits_room = false;
}

static void forget(struct agent *a, struct conn *c)
{
	conn_rewind(a, c);
	due_cancel(&a->silence, &c->silence);
	due_cancel(&a->offered, &c->offered);
	due_cancel(&a->drain, &c->drain);
	due_cancel(&a->taken, &c->taken);
	leave_room(a, c);
	if (c->state == CONN_HOMING)
		a->n_homing--;
	area_release(c->area);
	c->area = NULL;
	options_end(a, c);
	program_forget(a, c);
	grow_done(&a->grows, c->grow);
	c->grow = NULL;
	unwatch(a, &c->kept);
	unwatch(a, &c->pair);
}

static void let_go(struct agent *a, struct conn *c)
{
	forget(a, c);
	if (c->state == CONN_LOCAL)
		hy_fd_drop(&c->kept.fd);	/* the program may have it, too */
	else
		tcp_vanish(&c->kept.fd);
	hy_fd_close(&c->pair.fd);
	table_free(a, conn_row(a, c));
}

static void free_row(struct agent *a, struct conn *c)
{
	leave_room(a, c);
	*c = (struct conn){ .uses = c->uses, .kept.fd = -1, .pair.fd = -1 };
	a->conns.free[a->conns.n_free++] = conn_row(a, c);
	agent_one_less(a);
}

void conn_end(struct agent *a, struct conn *c)
{
	let_go(a, c);
	free_row(a, c);
}

void conn_told(struct agent *a, struct conn *c)
{
	free_row(a, c);
}

/* What the host is asked about it is asked before: it carries a reset out for whom it knows. */
void conn_reset(struct agent *a, struct conn *c, const char *why)
{
	bool tell = c->state != CONN_LOCAL && a->session;

	hy_log_limited(a->log, &a->rate_reset, HY_LOG_WARN, "connection %x: reset: %s", c->id,
		       why);
	a->count.resets++;
	c->over = SLOT_RESET;
	if (c->state == CONN_LOCAL)
		conn_linger(c->kept.fd, true);
	let_go(a, c);
	if (!tell) {
		free_row(a, c);
		return;
	}
	c->state = CONN_RESET;
	c->owes &= OWES_RESUME;
	conn_owe(a, c, OWES_RESET);
}

int conn_doom(struct agent *a, struct conn *c, const char *why)
{
	c->doom = why;
	if (c->state != CONN_LOCAL && c->state != CONN_MOVED) {
		conn_watch_pair(a, c, 0);
		return 0;
	}
	conn_reset(a, c, why);
	return CONN_GONE;
}
