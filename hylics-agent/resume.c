/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resume.c - what outlives the agent, and what is asked when a session begins
 *
 * Runs in: hylics-agent
 * Reads from: the host over the channel (checked); the table of an earlier agent (believed)
 */
#include "hylics-agent/resume.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/keep.h"
#include "common/own.h"
#include "hylics-agent/agent.h"
#include "hylics-agent/down.h"
#include "hylics-agent/home.h"
#include "hylics-agent/offer.h"
#include "hylics-agent/pair.h"
#include "hylics-agent/serve.h"

_Static_assert(sizeof(struct saved) == TABLE_ROW, "a row's size");

static struct saved *row_of(struct agent *a, const struct conn *c)
{
	return &a->table.at[conn_row(a, c)];
}

/* -- writing -- */

int table_new(struct agent *a, struct conn *c)
{
	int words = c->grow ? c->grow->memfd : -1;
	const struct hy_fds fds = { .n = words < 0 ? 2 : 3,
				    .fd = { c->kept.fd, c->pair.fd, words } };
	struct saved *s = row_of(a, c);

	s->id = c->id;
	s->busy = 0;
	s->pair_ino = c->pair_ino;
	s->who = c->who;
	table_options(a, c);
	table_positions(a, c);
	return a->cfg.link >= 0 ? keep_put(a->cfg.link, conn_row(a, c), &fds) : 0;
}

void table_state(struct agent *a, const struct conn *c)
{
	static const uint8_t states[CONN_STATES] = {
		[CONN_LOCAL] = ROW_LOCAL, [CONN_OFFERED] = ROW_OFFERED, [CONN_MOVED] = ROW_MOVED,
	};

	table_positions(a, c);
	if (states[c->state])
		row_of(a, c)->state = states[c->state];
}

void table_rebuilt(struct agent *a, const struct conn *c)
{
	struct saved *s = row_of(a, c);

	s->area = area_number(&a->areas, c->area);
	s->up_skip = c->up_skip;
	s->down_sent = c->down_sent;
	s->state = ROW_REBUILT;
}

void table_positions(struct agent *a, const struct conn *c)
{
	struct saved *s = row_of(a, c);

	s->down_taken = c->down_taken;
	s->up = c->up;
}

void table_options(struct agent *a, const struct conn *c)
{
	struct saved *s = row_of(a, c);

	s->options = c->options;
	s->linger_s = c->linger_s;
	s->late = c->late;
	s->late_on = c->late_on;
	s->cork = c->cork;
	s->cork_was = c->cork_was;
	s->reuse = c->reuse;
}

void table_counts(struct agent *a, const struct conn *c, uint64_t queued, uint64_t read)
{
	struct saved *s = row_of(a, c);

	s->base_queued = queued;
	s->base_read = read;
}

void table_busy(struct agent *a, const struct conn *c, bool busy)
{
	row_of(a, c)->busy = busy;
}

void table_free(struct agent *a, uint32_t row)
{
	a->table.at[row].state = ROW_FREE;
	if (a->cfg.link >= 0)
		(void)keep_drop(a->cfg.link, row);
}

/* -- a successor begins -- */

/* LOCAL: how far the socket is, its kernel knows. */
static bool go_on_here(struct agent *a, struct conn *c, const struct saved *s)
{
	uint64_t queued, read;

	if (tcp_stream_counts(c->kept.fd, 0, &queued, &read, NULL) < 0)
		return false;
	c->down_sent = queued - s->base_queued;
	c->up_skip = c->up - (read - s->base_read);
	if (c->down_sent < c->down_taken || c->up_skip > c->up)
		return false;
	conn_linger(c->kept.fd, true);		/* it may have been about to be given back */
	conn_state(a, c, CONN_LOCAL, MOVE_NO_AGENT);
	serve_start(a, c);
	return true;
}

static bool rebuild_area(struct agent *a, struct conn *c, const struct saved *s)
{
	struct area *area = area_again(&a->areas, s->area);
	const struct saved_record *rec = area ? area->memory : NULL;

	c->area = area;
	c->up_skip = s->up_skip;
	c->down_sent = s->down_sent;
	return area && c->down_sent >= c->down_taken && rec->len <= TCP_RECORD_MAX &&
	       tcp_record_decode(rec->bytes, rec->len, &area->img.rec) == 0;
}

/* An earlier agent had silenced it. */
/* syscalls: getsockopt */
static bool is_silent(int sock)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(sock, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	       info.tcpi_state == TCP_CLOSE;
}

static const char in_the_middle[] = "the agent was ended in the middle of it";

static bool go_on(struct agent *a, struct conn *c, const struct saved *s)
{
	static const uint8_t held[] = { [ROW_OFFERED] = HELD_OFFERED, [ROW_MOVED] = HELD_MOVED,
					[ROW_REBUILT] = HELD_REBUILT };

	c->down_taken = c->down_sent = c->down_next = s->down_taken;
	c->up = s->up;
	c->options = s->options;
	c->linger_s = s->linger_s;
	c->late = s->late;
	c->late_on = s->late_on;
	c->cork = s->cork;
	c->cork_was = s->cork_was;
	c->reuse = s->reuse;
	c->pair_ino = s->pair_ino;
	c->who = s->who;
	options_again(a, c);
	if (pair_prepare(c->pair.fd) < 0)
		return false;
	if (s->state == ROW_LOCAL)
		return !s->busy && go_on_here(a, c, s);
	if (s->state == ROW_REBUILT && !rebuild_area(a, c, s))
		return false;
	c->silent = s->state == ROW_MOVED && is_silent(c->kept.fd);
	c->held = held[s->state];
	c->state = CONN_LOST;
	c->doom = s->busy ? in_the_middle : NULL;
	return true;
}

/* What the holder has of a row that was never filled, or is freed, is what nobody was told of. */
static void take_row(struct agent *a, uint32_t row, struct hy_fds *fds)
{
	struct saved *s = &a->table.at[row];
	struct conn *c;

	if (fds->n < 2 || s->state == ROW_FREE || s->state > ROW_REBUILT) {
		for (unsigned int i = 0; i < fds->n; i++)
			conn_linger(fds->fd[i], true);
		hy_fds_close(fds);
		table_free(a, row);
		return;
	}
	c = conn_new_at(a, row, s->id, fds->fd[0], fds->fd[1]);
	if (fds->n > 2)
		c->grow = grow_kept(&a->grows, fds->fd[2]);
	fds->n = 0;
	if (c && !go_on(a, c, s))
		conn_reset(a, c, in_the_middle);
}

static int take_kept(struct agent *a, struct hy_err *e)
{
	struct hy_fds fds;
	uint32_t row;
	int rc;

	while ((rc = keep_take(a->cfg.link, &row, &fds, e)) > 0) {
		if (row < HY_CONNS_MAX)
			take_row(a, row, &fds);
		hy_fds_close(&fds);
	}
	/* rows without descriptors: their holder had dropped them already */
	for (row = 0; rc == 0 && row < HY_CONNS_MAX; row++) {
		if (row >= a->conns.top || a->conns.at[row].state == CONN_FREE)
			a->table.at[row].state = ROW_FREE;
	}
	return rc;
}

static int map_table(struct agent *a, int fd, struct hy_err *e)
{
	void *at = mmap(NULL, TABLE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return hy_err_set(e, errno, "table: map it");
	a->table = (struct table){ .at = at, .memory = at };
	a->table.modules = (void *)((uint8_t *)at + TABLE_ROWS_SIZE);
	/* MADV_REMOVE gives the pages of the file back, not only this mapping of them */
	areas_open(&a->areas, (uint8_t *)at + TABLE_AREAS, AREA_AHEAD, MADV_REMOVE);
	return 0;
}

static int own_table(struct agent *a, struct hy_err *e)
{
	hy_autofd fd = memfd_create("hylics-table", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)TABLE_BYTES) < 0)
		return hy_err_set(e, errno, "table: make one");
	return map_table(a, fd, e);
}

int table_open(struct agent *a, struct hy_err *e)
{
	__attribute__((cleanup(hy_fds_close))) struct hy_fds fds = { 0 };
	uint32_t slot;
	int rc;

	if (a->cfg.link < 0)
		return own_table(a, e);
	rc = keep_take(a->cfg.link, &slot, &fds, e);
	if (rc < 0)
		return rc;
	if (rc == 0 || slot != KEEP_TABLE || fds.n != 1)
		return hy_err_set(e, EPROTO, "the holder gave no table");
	rc = map_table(a, fds.fd[0], e);
	return rc < 0 ? rc : take_kept(a, e);
}

void table_close(struct agent *a)
{
	if (a->table.memory)
		munmap(a->table.memory, TABLE_BYTES);
	a->table.memory = NULL;
}

/* -- sessions -- */

static enum move_held held_in(const struct conn *c)
{
	if (c->state == CONN_OFFERED)
		return HELD_OFFERED;
	if (c->state == CONN_HOMING && c->area && c->area->got == c->area->rest && !c->silent)
		return HELD_REBUILT;
	return HELD_MOVED;
}

static void lose(struct agent *a, struct conn *c)
{
	c->held = (uint8_t)held_in(c);
	a->n_homing -= c->state == CONN_HOMING;
	due_cancel(&a->offered, &c->offered);
	due_cancel(&a->taken, &c->taken);	/* the resume says it */
	c->owes = 0;
	c->options_owed = 0;
	c->asked_home = false;
	if (c->held != HELD_REBUILT) {
		area_release(c->area);
		c->area = NULL;
	}
	c->state = CONN_LOST;
	conn_rewind(a, c);
	conn_watch_pair(a, c, 0);
}

void resume_lost(struct agent *a)
{
	for (uint32_t i = 0; i < a->conns.top; i++) {
		struct conn *c = &a->conns.at[i];

		if (c->state == CONN_OFFERED || c->state == CONN_MOVED || c->state == CONN_HOMING)
			lose(a, c);
		if (c->waits_room)
			TAILQ_REMOVE(&a->conns.room, c, room);
		c->waits_room = false;
		if (c->state == CONN_RESET)
			conn_told(a, c);
	}
}

void resume_ask(struct agent *a)
{
	for (uint32_t i = 0; i < a->conns.top; i++) {
		if (a->conns.at[i].state == CONN_LOST)
			conn_owe(a, &a->conns.at[i], OWES_RESUME);
	}
}

/* The host has it. */
static void resumed(struct agent *a, struct conn *c, const struct move_resumed *m)
{
	if (m->down < c->down_taken || m->up > c->up) {
		conn_reset(a, c, "the host is elsewhere");
		return;
	}
	if (c->held == HELD_REBUILT) {
		home_undo(a, c);
	} else if (c->held == HELD_OFFERED) {
		c->state = CONN_OFFERED;
		offer_adopted(a, c);
	} else {
		conn_state(a, c, CONN_MOVED, MOVE_DONE);
		if (!c->silent)
			due_add(&a->silence, &c->silence);
	}
	if (c->state != CONN_MOVED)
		return;
	c->down_sent = m->down;
	c->up_full = false;
	if (a->leaving)
		home_ask(a, c);
	options_settle(a, c);
	if (c->state == CONN_MOVED)
		conn_owe(a, c, OWES_ITEMS);
}

static void unknown(struct agent *a, struct conn *c)
{
	if (c->held == HELD_OFFERED) {
		offer_undo(a, c, MOVE_NO_WORKER, WHY_HOST);
	} else if (c->held == HELD_REBUILT) {
		home_live(a, c);
	} else {
		conn_reset(a, c, "the host does not know it any more");
	}
}

int resume_take_resumed(struct agent *a, const struct message *msg)
{
	struct conn *c = conn_find(a, msg->id);
	struct move_resumed m;

	if (move_resumed_decode(msg->payload, msg->len, &m) < 0)
		return -EPROTO;
	if (!c || c->state != CONN_LOST)
		return 0;
	if (m.known)
		resumed(a, c, &m);
	else
		unknown(a, c);
	return 0;
}
