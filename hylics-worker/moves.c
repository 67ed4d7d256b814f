/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * moves.c - the worker's part in moving connections: dispatch, rounds, what the guest is told
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile)
 *
 * DOC: What a round does
 *
 * Messages and events put connections on two lists. A timer of 0 ms comes behind the last event
 * of the batch and works them off: first up to HY_SEND_TURNS turns of sending, or
 * HY_SEND_ROUND_BYTES, in the order in which connections got ready, then what the guest is to be
 * told, once per connection: how far it is, however many items that took. All of it leaves with one
 * write: each is one that wakes the guest. What does not fit into the channel waits for room().
 *
 * A batch may be many offers, each with its first items behind it, and restoring takes as long as
 * sending. So that the first of them does not wait for the last, those that were restored get a
 * turn after every HY_FRESH_COPIES. They are told of with all others: it costs no wake-up.
 */
#include "hylics-worker/moves.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/clock.h"
#include "common/keep.h"
#include "common/own.h"
#include "hylics-worker/home.h"
#include "hylics-worker/items.h"
#include "hylics-worker/late.h"
#include "hylics-worker/offer.h"
#include "hylics-worker/option.h"
#include "hylics-worker/resume.h"
#include "hylics-worker/send.h"
#include "hylics-worker/up.h"
#include "tcpmove/image.h"

/* -- the two lists -- */

static void want_round(struct moves *m)
{
	if (!m->round.pos)
		ev_timer_set(m->loop, &m->round, 0);
}

void moves_run(struct moves *m, struct conn *c)
{
	if (!c->in_run)
		TAILQ_INSERT_TAIL(&m->run, c, run);
	c->in_run = true;
	want_round(m);
}

void moves_tell(struct moves *m, struct conn *c)
{
	if (!c->in_tell)
		TAILQ_INSERT_TAIL(&m->tell, c, tell);
	c->in_tell = true;
	want_round(m);
}

void moves_forget(struct moves *m, struct conn *c)
{
	if (c->in_run)
		TAILQ_REMOVE(&m->run, c, run);
	if (c->in_tell)
		TAILQ_REMOVE(&m->tell, c, tell);
	c->in_run = c->in_tell = false;
}

/* -- what the guest is told -- */

static int tell_pos(struct moves *m, const struct conn *c, enum msg_type type)
{
	const struct move_pos p = { .pos = c->sent };
	uint8_t payload[MOVE_POS_LEN];

	move_pos_encode(&p, payload, sizeof(payload));
	return chan_send(m->chan, type, c->id, payload, sizeof(payload));
}

static int tell_end(struct moves *m, struct conn *c)
{
	uint8_t payload[MOVE_END_LEN];
	int rc;

	move_end_encode(c->end, payload, sizeof(payload));
	rc = chan_send(m->chan, MSG_ENDED, c->id, payload, sizeof(payload));
	if (rc == 0)
		conn_free(m, c);
	return rc;
}

static void told(struct conn *c)
{
	c->sent_told = c->sent;
	c->told_ms = hy_clock_ms();
	c->most_items = c->n_items;
}

static int tell(struct moves *m, struct conn *c)
{
	int rc = 0;

	if (!c->known)
		return c->state == CONN_ENDED ? tell_end(m, c) : 0;
	if (c->sent != c->sent_told) {
		rc = tell_pos(m, c, MSG_SENT);
		if (rc == 0)
			told(c);
	}
	if (rc == 0 && c->stuck) {
		rc = tell_pos(m, c, MSG_STUCK);
		if (rc == 0)
			c->stuck = false;
	}
	if (rc == 0)
		rc = up_offer(m, c);
	if (rc == 0 && c->state == CONN_ENDED)
		return tell_end(m, c);
	conn_interest(m, c);
	return rc;
}

/* Off the list first: what telling finds out, such as a reset, may put it there again. */
static void tell_all(struct moves *m)
{
	struct conn *c;

	while (m->session && (c = TAILQ_FIRST(&m->tell)) != NULL) {
		TAILQ_REMOVE(&m->tell, c, tell);
		c->in_tell = false;
		if (tell(m, c) == 0)
			continue;
		if (!c->in_tell)
			TAILQ_INSERT_HEAD(&m->tell, c, tell);
		c->in_tell = true;	/* until there is room */
		return;
	}
}

/* -- rounds -- */

static uint64_t bytes_sent(const struct moves *m)
{
	return m->count->bytes_file + m->count->bytes_plain;
}

static void run_one(struct moves *m, struct conn *c)
{
	TAILQ_REMOVE(&m->run, c, run);
	c->in_run = false;
	if (send_turn(m, c))
		moves_run(m, c);
}

static void run_some(struct moves *m)
{
	uint64_t until = bytes_sent(m) + HY_SEND_ROUND_BYTES;

	for (unsigned int i = 0; i < HY_SEND_TURNS && bytes_sent(m) < until; i++) {
		struct conn *c = TAILQ_FIRST(&m->run);

		if (!c)
			return;
		run_one(m, c);
	}
}

void moves_fresh(struct moves *m, const struct conn *c)
{
	if (m->n_fresh < HY_FRESH_COPIES)
		m->fresh[m->n_fresh++] = conn_row(m, c);
}

/* A row may have another connection by now, or one that has had its turn, or is over. */
void moves_first_turns(struct moves *m)
{
	if (m->n_fresh < HY_FRESH_COPIES)
		return;
	for (uint32_t i = 0; i < m->n_fresh; i++) {
		struct conn *c = &m->conns.at[m->fresh[i]];

		if (c->in_run && c->live_ns)
			run_one(m, c);
	}
	m->n_fresh = 0;
}

static void on_round(void *object)
{
	struct moves *m = object;

	m->count->rounds++;
	m->n_fresh = 0;
	run_some(m);
	chan_cork(m->chan);
	tell_all(m);
	chan_uncork(m->chan);
	home_leave(m);
	if (!TAILQ_EMPTY(&m->run))
		want_round(m);
}

void moves_room(struct moves *m)
{
	tell_all(m);
	casts_room(m);
	modules_room(m);
	if (m->n_draining)
		home_look(m);
}

/* -- the session -- */

void moves_up(struct moves *m, const struct msg_hello *peer)
{
	m->session = true;
	guest_up(&m->guest, peer);
	m->count->told++;
}

void moves_down(struct moves *m)
{
	if (!m->session)
		return;
	m->session = false;
	guest_down(&m->guest);
	modules_down(m);
	casts_down(m);
	m->count->told++;
	resume_session_lost(m);
	home_leave(m);
}

/* The keeper knows which of them a twin may have. */
static int take_addresses(struct moves *m, const struct message *msg)
{
	int rc = move_addresses_decode(msg->payload, msg->len, m->guest.address,
				       &m->guest.n_addresses);

	if (rc == 0 && m->link >= 0)
		keep_other(m->link, MSG_ADDRESSES, msg->payload, msg->len);
	m->count->told += rc == 0;
	return rc;
}

static int take_report(struct moves *m, const struct message *msg)
{
	int rc = guest_take_report(&m->guest, msg->payload, msg->len);

	m->count->told += rc == 0;
	return rc;
}

static int take_jobs(struct moves *m, const struct message *msg)
{
	int rc = guest_take_jobs(&m->guest, msg->payload, msg->len);

	m->count->told += rc == 0;
	return rc;
}

int moves_message(struct moves *m, const struct message *msg)
{
	static int (*const take[])(struct moves *m, const struct message *msg) = {
		[MSG_OFFER] = offer_take,
		[MSG_QUEUE] = offer_take_queue,
		[MSG_CANCEL] = offer_take_cancel,
		[MSG_FILE_OPEN] = files_take_open,
		[MSG_FILE_CLOSE] = files_take_close,
		[MSG_ITEM] = items_take,
		[MSG_TAKEN] = up_take_taken,
		[MSG_RESUME] = resume_take,
		[MSG_HOME] = home_take,
		[MSG_HOME_TAKEN] = home_take_taken,
		[MSG_ADDRESSES] = take_addresses,
		[MSG_REPORT] = take_report,
		[MSG_OPTION] = option_take,
		[MSG_OPTION_ASK] = option_take_ask,
		[MSG_LATE] = late_take,
		[MSG_MODULES_WANTED] = modules_take_wanted,
		[MSG_JOBS] = take_jobs,
		[MSG_CAST] = casts_take,
		[MSG_CAST_STOP] = casts_take_stop,
	};
	uint16_t type = msg->info->type;

	if (type >= sizeof(take) / sizeof(take[0]) || !take[type])
		return -EPROTO;
	return take[type](m, msg);
}

/* -- leaving -- */

static void on_patience_over(void *object)
{
	struct moves *m = object;

	m->left = true;
	m->cfg.left(m->cfg.object, m->count->live == 0);
}

void moves_leave(struct moves *m)
{
	if (m->leaving) {
		on_patience_over(m);
		return;
	}
	m->leaving = true;
	casts_leave(m, MOVE_DRAINING);
	m->leave_end_ms = hy_clock_ms() + HY_WORKER_LEAVE_MOST_MS;
	home_patience(m);
	home_leave(m);
}

/* Also the same once more: what would not go home is asked again. */
static void set_moving(struct moves *m, uint32_t word)
{
	if (word > HY_MOVING_OFF)
		return;
	if (m->moving != word)
		hy_log(m->log, HY_LOG_INFO, "moving: %s", hy_moving_words[word]);
	m->moving = (enum hy_moving)word;
	m->count->moving = word;
	if (word != HY_MOVING_ON)
		casts_leave(m, offer_closed(m));
	home_all(m);
}

/* Nobody will take over from here, nor look after the twin, so all go home while they can. */
static void keeper_gone(struct moves *m)
{
	ev_del(m->loop, m->link);
	m->link = -1;
	if (m->leaving)
		return;
	hy_log(m->log, HY_LOG_ERR, "the keeper is gone");
	moves_leave(m);
}

static int link_handle(void *object, int fd, uint32_t events)
{
	struct moves *m = object;
	struct keep_later later;
	int rc = keep_take_later(fd, &later);

	(void)events;
	if (rc == -EAGAIN)
		return 0;
	if (rc < 0) {
		keeper_gone(m);
		return 0;
	}
	switch (later.kind) {
	case KEEP_LATER_HOLD:
		hy_fd_close(&m->held);
		m->held = later.fd;
		break;
	case KEEP_LATER_WORD:
		set_moving(m, later.word);
		break;
	case KEEP_LATER_OTHER:
		modules_tell(m, &later);
		break;
	}
	return 0;
}

static void link_drop(void *object, int fd, int rc)
{
	(void)rc;
	link_handle(object, fd, 0);
}

static const struct ev_class link_class = { "link to the keeper", link_handle, link_drop };

/* -- counters -- */

static void print_counters(const void *object, FILE *f)
{
	const struct moves *m = object;

	fputc('{', f);
	counters_print(m->count, m->stages, f);
	why_print(m->table.last, f);
	guest_print(&m->guest, f);
	fputs("}\n", f);
}

static void show_counters(struct moves *m)
{
	m->show.fd = m->cfg.stats;
	m->show.loop = m->loop;
	m->show.log = m->log;
	m->show.watch = (const uint64_t *)m->count;
	m->show.n_watch = sizeof(*m->count) / sizeof(uint64_t);
	m->show.print = print_counters;
	m->show.object = m;
	hy_show_start(&m->show);
}

/* -- begin and end -- */

#define AREAS_BYTES ((size_t)HY_MOVES_MAX * HY_TCP_QUEUE_MAX)

/* Memory is touched as it is used. */
static int open_areas(struct moves *m, struct hy_err *e)
{
	void *at = mmap(NULL, AREAS_BYTES, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return hy_err_set(e, errno, "memory for the queues of connections");
	areas_open(&m->areas, at, 0, MADV_DONTNEED);
	m->queues = at;
	return 0;
}

static void close_areas(struct moves *m)
{
	if (m->queues)
		munmap(m->queues, AREAS_BYTES);
	m->queues = NULL;
}

static void on_home(void *object)
{
	home_look(object);
}

static void on_alone(void *object)
{
	resume_look(object);
}

int moves_open(struct moves *m, const struct moves_config *cfg, struct hy_err *e)
{
	int rc;

	*m = (struct moves){ .cfg = *cfg, .chan = cfg->chan, .loop = cfg->loop, .log = cfg->log,
			     .link = cfg->link, .held = -1, .freezer = -1, .late = -1,
			     .files.share = -1, .show.fd = -1 };
	TAILQ_INIT(&m->run);
	TAILQ_INIT(&m->tell);
	m->round = (struct ev_timer){ .fn = on_round, .object = m };
	m->home = (struct ev_timer){ .fn = on_home, .object = m };
	m->alone = (struct ev_timer){ .fn = on_alone, .object = m };
	m->leave = (struct ev_timer){ .fn = on_patience_over, .object = m };
	if (!m->cfg.alone_ms)
		m->cfg.alone_ms = HY_ALONE_MS;
	present_open(&m->present, m->loop, cfg->sockets);
	casts_open(m);
	rc = files_open(&m->files, cfg->share, e);
	if (rc == 0)
		rc = conns_open(&m->conns, e);
	if (rc == 0)
		rc = open_areas(m, e);
	if (rc == 0)
		rc = resume_inherit(m, e);
	if (rc == 0 && m->link >= 0)
		rc = ev_add(m->loop, m->link, &link_class, m, EPOLLIN, e);
	if (rc < 0)
		return rc;
	present_look(&m->present);
	show_counters(m);
	return 0;
}

void moves_close(struct moves *m)
{
	if (m->link >= 0)
		ev_del(m->loop, m->link);
	if (m->count) {
		hy_show_stop(&m->show);
		casts_close(m);
	}
	for (uint32_t i = 0; i < m->conns.top; i++) {
		if (m->conns.at[i].state != CONN_FREE)
			hy_fd_close(&m->conns.at[i].sock);
	}
	hy_fd_close(&m->held);
	tcp_freeze_use(-1);
	hy_fd_close(&m->freezer);
	hy_fd_close(&m->late);
	tcp_catch_close(&m->caught);
	if (m->door)
		hy_fd_close(&m->door);
	files_close(&m->files);
	conns_close(&m->conns);
	close_areas(m);
	present_close(&m->present);
	table_unmap(&m->table);
}
