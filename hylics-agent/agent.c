/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent.c - the agent's part in moving connections: opening, sessions, messages, leaving
 *
 * Runs in: hylics-agent
 * Reads from: the host over the channel (checked)
 */
#include "hylics-agent/agent.h"

#include <errno.h>
#include <signal.h>

#include "common/clock.h"
#include "hylics-agent/down.h"
#include "hylics-agent/home.h"
#include "hylics-agent/late.h"
#include "hylics-agent/offer.h"
#include "hylics-agent/up.h"

enum move_reason agent_refusal(const struct agent *a)
{
	if (!a->cfg.offload)
		return MOVE_OFF_BY_OPERATOR;
	if (a->leaving)
		return MOVE_DRAINING;
	return a->session ? MOVE_DONE : MOVE_NO_CHANNEL;
}

/* -- sessions -- */

/* What the host has is lost. What it may have got is asked for longer. */
static void give_up(void *object)
{
	struct agent *a = object;
	bool late = a->alone_late;

	for (uint32_t i = 0; i < a->conns.top; i++) {
		struct conn *c = &a->conns.at[i];

		if (c->state != CONN_LOST)
			continue;
		if (c->held != HELD_OFFERED)
			conn_reset(a, c, "the host is gone");
		else if (late)
			offer_undo(a, c, MOVE_NO_CHANNEL, WHY_AGENT);
	}
	if (!late)
		(void)ev_timer_set(a->loop, &a->alone, 2 * a->cfg.dead_ms);
	a->alone_late = true;
}

/*
 * Nothing that was offered may wake up here while a copy lives at the host: what it says would be
 * dropped on its way, and the client sees a reset. There it may be that the session's end is
 * noticed later than here, by the silence after which a peer is dead and one look at it.
 */
static void begin_patience(struct agent *a)
{
	a->alone_late = false;
	(void)ev_timer_set(a->loop, &a->alone, a->cfg.alone_ms);
}

void agent_up(struct agent *a)
{
	a->session = true;
	a->addresses.owed = true;
	ev_timer_cancel(a->loop, &a->alone);
	address_say(a);
	modules_up(a);
	agent_tell_programs(a);
	resume_ask(a);
	report_soon(a);
	jobs_up(a);
}

void agent_down(struct agent *a)
{
	a->session = false;
	resume_lost(a);
	casts_down(a);
	files_void(a);
	modules_down(a);
	agent_tell_programs(a);
	begin_patience(a);
}

void agent_room(struct agent *a)
{
	address_say(a);
	modules_say(a);
	conns_room(a);
	report_room(a);
	jobs_room(a);
	casts_room(a);
}

static int take(struct agent *a, const struct message *msg)
{
	static int (*const takers[])(struct agent *, const struct message *) = {
		[MSG_QUEUE] = home_take_queue,
		[MSG_ADOPTED] = offer_take_adopted,
		[MSG_REFUSED] = offer_take_refused,
		[MSG_FILE_OPENED] = files_take_opened,
		[MSG_SENT] = down_take_sent,
		[MSG_STUCK] = down_take_stuck,
		[MSG_UP] = up_take,
		[MSG_ENDED] = up_take_ended,
		[MSG_RESUMED] = resume_take_resumed,
		[MSG_HOME_OFFER] = home_take_offer,
		[MSG_HOME_DONE] = home_take_done,
		[MSG_OPTION_TOLD] = options_take_told,
		[MSG_LATE] = late_take,
		[MSG_MODULE] = modules_take,
		[MSG_CAST_TOLD] = casts_take_told,
	};

	if (msg->info->type >= sizeof(takers) / sizeof(takers[0]) || !takers[msg->info->type])
		return -EPROTO;
	return takers[msg->info->type](a, msg);
}

/* Of a move whose cost is to be known: the way home and the end are its price, too. */
static bool is_timed(struct agent *a, const struct message *msg)
{
	const struct conn *c;

	switch (msg->info->type) {
	case MSG_ADOPTED:
	case MSG_REFUSED:
	case MSG_QUEUE:
	case MSG_HOME_OFFER:
	case MSG_HOME_DONE:
	case MSG_ENDED:
		c = conn_find(a, msg->id);
		return c && c->timed;
	default:
		return false;
	}
}

int agent_message(struct agent *a, const struct message *msg)
{
	bool slices = msg->info->type == MSG_SENT;
	uint64_t began = slices ? cost_begin_slices(a) : cost_begin(a, is_timed(a, msg));
	int rc = take(a, msg);

	if (slices)
		cost_slices(a, began);
	else
		cost_move(a, began);
	return rc;
}

/* -- leaving -- */

static void left(void *object)
{
	struct agent *a = object;

	ev_timer_cancel(a->loop, &a->leave);
	a->cfg.left(a->cfg.object);
}

/* Those that were asked may never come: one whose client has shut stays with the host. */
static void ask_more(void *object)
{
	struct agent *a = object;

	home_ask_more(a);
	(void)ev_timer_set(a->loop, &a->more, HY_DRAIN_WAIT_MS);
}

/* As long as they go the others may, too. */
static void have_patience(struct agent *a)
{
	uint64_t now_ms = hy_clock_ms();
	uint64_t left_ms = a->leave_end_ms > now_ms ? a->leave_end_ms - now_ms : 0;

	if (left_ms > HY_LEAVE_MS)
		left_ms = HY_LEAVE_MS;
	(void)ev_timer_set(a->loop, &a->leave, a->n_conns ? left_ms : 0);
}

void agent_leave(struct agent *a)
{
	if (a->leaving)
		return;
	a->leaving = true;
	a->leave_end_ms = hy_clock_ms() + HY_LEAVE_MOST_MS;
	agent_tell_programs(a);
	casts_leave(a);
	have_patience(a);
	ask_more(a);
}

void agent_one_less(struct agent *a)
{
	a->n_conns--;
	if (a->leaving)
		have_patience(a);
}

/* -- opening and closing -- */

static void print_counters(const void *object, FILE *f)
{
	const struct agent *a = object;

	agent_counters_print(&a->count, &a->stages, f);
}

static void show_counters(struct agent *a)
{
	a->show.fd = a->cfg.stats;
	a->show.loop = a->loop;
	a->show.log = a->log;
	a->show.watch = (const uint64_t *)&a->count;
	a->show.n_watch = sizeof(a->count) / sizeof(uint64_t);
	a->show.print = print_counters;
	a->show.object = a;
	hy_show_start(&a->show);
}

static void on_alarm(int signo)
{
	(void)signo;	/* it only ends a call that waits: pair.c */
}

static void prepare(struct agent *a, const struct agent_config *cfg)
{
	struct sigaction alarm = { .sa_handler = on_alarm };

	a->cfg = *cfg;
	if (!a->cfg.alone_ms)
		a->cfg.alone_ms = HY_ALONE_MS;
	if (!a->cfg.dead_ms)
		a->cfg.dead_ms = HY_CHAN_DEAD_MS;
	a->chan = cfg->chan;
	a->loop = cfg->loop;
	a->log = cfg->log;
	a->addresses.watch = a->files.share = a->share.table = -1;
	a->modules.listeners[0] = a->modules.listeners[1] = -1;
	a->alone = (struct ev_timer){ .fn = give_up, .object = a };
	a->leave = (struct ev_timer){ .fn = left, .object = a };
	a->more = (struct ev_timer){ .fn = ask_more, .object = a };
	a->silence = (struct due_queue){ .after_ms = HY_SILENCE_MS, .fn = offer_silence,
					 .object = a, .loop = a->loop };
	a->offered = (struct due_queue){ .after_ms = HY_OFFER_WAIT_MS, .fn = offer_unanswered,
					 .object = a, .loop = a->loop };
	a->drain = (struct due_queue){ .after_ms = HY_DRAIN_LOOK_MS, .fn = offer_drained,
				       .object = a, .loop = a->loop };
	a->taken = (struct due_queue){ .after_ms = HY_TAKEN_LATER_MS, .fn = up_taken_late,
				       .object = a, .loop = a->loop };
	due_open(&a->drain);
	due_open(&a->silence);
	due_open(&a->offered);
	due_open(&a->taken);
	cost_open(a);
	options_open(a);
	jobs_open(a);
	sigaction(SIGALRM, &alarm, NULL);
}

int agent_open(struct agent *a, const struct agent_config *cfg, struct hy_err *e)
{
	int rc;

	prepare(a, cfg);
	rc = files_open(a, e);
	if (rc == 0)
		rc = conns_open(&a->conns, e);
	if (rc == 0)
		rc = grows_open(&a->grows, e);
	if (rc == 0) {
		share_open(a, cfg->share);	/* connections that are kept send its files */
		rc = address_open(a, e);
	}
	if (rc == 0)
		rc = table_open(a, e);
	if (rc < 0) {
		agent_close(a);
		return rc;
	}
	modules_open(a);
	report_open(a);
	if (a->n_conns)
		begin_patience(a);
	show_counters(a);
	return 0;
}

void agent_close(struct agent *a)
{
	join_close(a);
	for (uint32_t i = 0; i < a->conns.top; i++) {
		if (a->conns.at[i].state != CONN_FREE)
			conn_end(a, &a->conns.at[i]);
	}
	hy_show_stop(&a->show);
	report_close(a);
	modules_close(a);
	share_close(a);
	address_close(a);
	files_close(a);
	conns_close(&a->conns);
	grows_close(&a->grows);
	table_close(a);
	cost_close(a);
	options_close(a);
	jobs_close(a);
	ev_timer_cancel(a->loop, &a->alone);
	ev_timer_cancel(a->loop, &a->leave);
	ev_timer_cancel(a->loop, &a->more);
}
