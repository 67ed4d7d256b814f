/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conn.c - the moved connections of a VM: a fixed table, the life of each, how it ends
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile); the copies' clients (hostile)
 */
#include "hylics-worker/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/keep.h"
#include "common/own.h"
#include "hylics-worker/moves.h"
#include "tcpmove/image.h"

/* -- the table -- */

static void *map_lazily(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

int conns_open(struct conns *t, struct hy_err *e)
{
	int rc = ids_open(&t->ids, HY_CONNS_MAX, e);

	if (rc < 0)
		return rc;
	t->at = map_lazily(HY_CONNS_MAX * sizeof(*t->at));
	t->plain = map_lazily((size_t)HY_CONNS_MAX * PLAIN_MAX);
	t->free = calloc(HY_CONNS_MAX, sizeof(*t->free));
	if (!t->at || !t->plain || !t->free) {
		conns_close(t);
		return hy_err_set(e, ENOMEM, "table of %d connections", HY_CONNS_MAX);
	}
	for (uint32_t i = HY_CONNS_MAX; i-- > 0;)
		t->free[t->n_free++] = i;
	return 0;
}

void conns_close(struct conns *t)
{
	ids_close(&t->ids);
	if (t->at)
		munmap(t->at, HY_CONNS_MAX * sizeof(*t->at));
	if (t->plain)
		munmap(t->plain, (size_t)HY_CONNS_MAX * PLAIN_MAX);
	t->at = NULL;
	t->plain = NULL;
	hy_mem_free(&t->free);
}

uint32_t conn_row(const struct moves *m, const struct conn *c)
{
	return (uint32_t)(c - m->conns.at);
}

uint8_t *conn_plain(const struct moves *m, const struct conn *c)
{
	return m->conns.plain + (size_t)conn_row(m, c) * PLAIN_MAX;
}

struct conn *conn_find(struct moves *m, uint32_t id)
{
	uint32_t row = ids_find(&m->conns.ids, id);

	return row == IDS_NONE ? NULL : &m->conns.at[row];
}

static struct conn *begin(struct moves *m, uint32_t id, uint32_t row)
{
	struct conn *c = &m->conns.at[row];

	if (row >= m->conns.top)
		m->conns.top = row + 1;
	memset(c, 0, sizeof(*c));
	c->moves = m;
	c->id = id;
	c->state = CONN_COMING;
	c->sock = -1;
	c->writable = true;
	c->told_ms = hy_clock_ms();
	ids_add(&m->conns.ids, id, row);
	return c;
}

struct conn *conn_new(struct moves *m, uint32_t id)
{
	struct conns *t = &m->conns;

	return t->n_free ? begin(m, id, t->free[--t->n_free]) : NULL;
}

struct conn *conn_new_at(struct moves *m, uint32_t id, uint32_t row)
{
	struct conns *t = &m->conns;

	for (uint32_t i = t->n_free; i-- > 0;) {
		if (t->free[i] != row)
			continue;
		memmove(&t->free[i], &t->free[i + 1], (--t->n_free - i) * sizeof(*t->free));
		break;
	}
	return begin(m, id, row);
}

static void drop_items(struct moves *m, struct conn *c)
{
	for (unsigned int i = 0; i < c->n_items; i++) {
		const struct item *it = &c->item[(c->first_item + i) % ITEMS_ROOM];

		if (it->kind == ITEM_SLICE)
			files_done(m, it->file);
	}
	c->n_items = 0;
	c->plain_at = c->plain_end = 0;
}

static void release(struct moves *m, struct conn *c)
{
	moves_forget(m, c);
	drop_items(m, c);
	area_release(c->area);
	c->area = NULL;
	m->n_draining -= c->state == CONN_DRAINING;
	m->n_homing -= c->state == CONN_HOMING;
	m->count->coming -= c->state == CONN_COMING;
	if (c->plain_used)
		madvise(conn_plain(m, c), PLAIN_MAX, MADV_DONTNEED);
}

void conn_free(struct moves *m, struct conn *c)
{
	uint32_t row = conn_row(m, c);

	release(m, c);
	ids_remove(&m->conns.ids, c->id);
	c->state = CONN_FREE;
	m->conns.free[m->conns.n_free++] = row;
}

static void begin_patience(struct moves *m, struct conn *c)
{
	c->since_ms = hy_clock_ms();
	if (!m->alone.pos)
		ev_timer_set(m->loop, &m->alone, m->cfg.alone_ms);
}

void conn_settle(struct moves *m, struct conn *c)
{
	if (c->state == CONN_COMING || c->state == CONN_HOMING)
		return;
	m->n_draining -= c->state == CONN_DRAINING;
	if (c->close_waits)
		c->state = CONN_CLOSING;
	else if (c->known)
		c->state = CONN_LIVE;
	else if (c->state != CONN_ALONE) {
		c->state = CONN_ALONE;
		begin_patience(m, c);
	}
}

/* -- what epoll tells -- */

/* syscalls: getsockopt */
static int socket_error(int sock)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(sock, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return errno;
	return err;
}

/*
 * EPOLLHUP without an error: both sides have said their end. It would come in every round from
 * now on, and whatever happens next comes over the channel.
 */
static void hung_up(struct moves *m, struct conn *c)
{
	int err = socket_error(c->sock);

	if (err) {
		conn_lost(m, c, err);
		return;
	}
	conn_unwatch(m, c);
	c->writable = true;
	moves_run(m, c);
}

static int conn_handle(void *object, int fd, uint32_t events)
{
	struct conn *c = object;
	struct moves *m = c->moves;

	m->count->wakes++;
	if (events & (EPOLLERR | EPOLLHUP))
		hung_up(m, c);
	if (c->sock != fd)
		return 0;
	if (events & EPOLLOUT) {
		c->writable = true;
		moves_run(m, c);
	}
	if (events & EPOLLIN) {
		c->up_ready = true;
		conn_interest(m, c);	/* whether it can be told is another matter */
		moves_tell(m, c);
	}
	return 0;
}

static void conn_drop(void *object, int fd, int rc)
{
	struct conn *c = object;

	(void)fd;
	conn_lost(c->moves, c, -rc);
}

static const struct ev_class conn_class = { "connection", conn_handle, conn_drop };

int conn_watch(struct moves *m, struct conn *c, struct hy_err *e)
{
	int rc = ev_add(m->loop, c->sock, &conn_class, c, 0, e);

	if (rc == 0) {
		c->watched = true;
		c->events = 0;
	}
	return rc;
}

static bool sends(const struct conn *c)
{
	return c->state == CONN_LIVE || c->state == CONN_ALONE || c->state == CONN_CLOSING;
}

static bool reads(const struct moves *m, const struct conn *c)
{
	return c->state == CONN_LIVE && m->session && !c->fin_told && !c->up_out && !c->up_wait &&
	       !c->up_ready;
}

void conn_interest(struct moves *m, struct conn *c)
{
	uint32_t events = (reads(m, c) ? EPOLLIN : 0u) |
			  (sends(c) && c->n_items && !c->writable ? EPOLLOUT : 0u);

	if (c->watched && events != c->events && ev_mod(m->loop, c->sock, events) == 0)
		c->events = events;
}

void conn_unwatch(struct moves *m, struct conn *c)
{
	if (c->watched)
		ev_del(m->loop, c->sock);
	c->watched = false;
}

/* -- ends -- */

static void count_end(struct moves *m, const struct conn *c, enum move_end end)
{
	m->count->live--;
	m->count->closed += end == END_CLOSED;
	m->count->timed_out += end == END_TIMED_OUT;
	m->count->reset_by_client += end == END_RESET && c->end == END_RESET;
}

void conn_lost(struct moves *m, struct conn *c, int err)
{
	enum move_end end = err == ETIMEDOUT ? END_TIMED_OUT : END_RESET;

	conn_unwatch(m, c);
	c->end = (uint8_t)end;
	if (c->state == CONN_DRAINING)
		conn_settle(m, c);
	if (c->state != CONN_LIVE || c->fin_told) {
		conn_gone(m, c, end);
		return;
	}
	drop_items(m, c);
	begin_patience(m, c);
	c->up_ready = true;
	moves_tell(m, c);
}

void conn_gone(struct moves *m, struct conn *c, enum move_end end)
{
	uint32_t row = conn_row(m, c);

	count_end(m, c, end);
	conn_unwatch(m, c);
	if (m->link >= 0)
		keep_drop(m->link, row);
	table_state(&m->table, row, ROW_FREE);
	hy_fd_close(&c->sock);
	release(m, c);
	c->state = CONN_ENDED;
	c->end = (uint8_t)end;
	if (m->session)
		moves_tell(m, c);
	else
		conn_free(m, c);
}

/* A close would reset only when the keeper has closed its duplicate too. */
/* syscalls: connect */
static void reset_now(int sock)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	(void)connect(sock, &nobody, sizeof(nobody));
}

/* syscalls: getsockopt */
bool conn_is_silent(int sock)
{
	socklen_t len = sizeof(int);
	int on = 0;

	return getsockopt(sock, IPPROTO_TCP, TCP_REPAIR, &on, &len) == 0 && on;
}

void conn_hush(int *sock)
{
	if (*sock >= 0 && !conn_is_silent(*sock))
		reset_now(*sock);
	tcp_vanish(sock);
}

void conn_reset(struct moves *m, struct conn *c)
{
	struct hy_err e = { 0 };

	if (c->sock < 0) {
		conn_free(m, c);	/* COMING: there is nothing yet that could be reset */
		return;
	}
	if (c->state == CONN_HOMING)
		tcp_undo(c->sock, &e);
	reset_now(c->sock);
	conn_gone(m, c, END_RESET);
}

void conn_fault(struct moves *m, struct conn *c, const char *why)
{
	m->count->faults++;
	hy_log_limited(m->log, &m->rate_faults, HY_LOG_WARN, "connection %u reset: %s", c->id, why);
	if (c->state == CONN_ENDED)
		return;
	m->count->reset_by_us += c->sock >= 0;
	conn_reset(m, c);
}
