/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cost.c - what moves, slices and plain bytes take of this process's CPU time; the threshold shown
 *
 * Runs in: hylics-agent
 * Reads from: no untrusted input but what a program tells of itself, see threshold.h
 */
#include "hylics-agent/cost.h"

#include <inttypes.h>

#include "common/clock.h"
#include "hylics-agent/agent.h"

#define PS_PER_NS 1000u
#define PS_PER_US 1000000u

/* What a program that is not there yet has told. */
static const struct told nothing_told;

static bool is_fixed(const struct agent *a)
{
	return a->cfg.threshold != 0;
}

/* -- the threshold -- */

static uint64_t bytes_of(const struct costs *s, const struct told *told)
{
	return threshold_bytes(&s->start, &s->now, told);
}

bool cost_tell(struct agent *a, struct program *p)
{
	uint64_t bytes = bytes_of(&a->costs, &p->told);

	p->page->threshold = is_fixed(a) ? a->cfg.threshold :
					   threshold_settle(p->page->threshold, bytes);
	return threshold_is_high(a->costs.shown_start, bytes);
}

static bool tell_all(struct agent *a)
{
	bool high = false;

	for (unsigned int i = 0; i < HY_LOCAL_CLIENTS_MAX; i++) {
		if (a->programs.at[i].page)
			high |= cost_tell(a, &a->programs.at[i]);
	}
	return high;
}

static void log_change(const struct agent *a)
{
	struct local_costs c;

	cost_status(a, &c);
	hy_log(a->log, HY_LOG_DEBUG,
	       "threshold %" PRIu64 " KB: move %" PRIu64 " ns, slice %" PRIu64
	       " ns, plain byte %" PRIu64 " ps of CPU; adopted after %" PRIu64 " us",
	       c.threshold >> 10, c.move_ns, c.slice_ns, c.plain_ps, c.adopt_us);
}

/*
 * A sample has come, or was forgotten. A high threshold ends the moves it is measured by; when none
 * was measured for a while, moves are tried anew. Plain bytes do not put that off: there are plenty
 * of them where the threshold is too high.
 */
static void changed(struct agent *a, bool moves)
{
	struct costs *s = &a->costs;
	uint64_t before = s->shown, bytes = bytes_of(s, &nothing_told);
	bool high = tell_all(a) || threshold_is_high(s->shown_start, bytes);

	s->shown = threshold_settle(before, bytes);
	if (s->shown != before)
		log_change(a);
	if (!high)
		ev_timer_cancel(a->loop, &s->rest);
	else if (moves || !s->rest.pos)
		(void)ev_timer_set(a->loop, &s->rest, HY_COST_REST_MS);
}

/* What plain bytes cost is not forgotten: while all is moved, nobody would find it out again. */
static void forget_moves(void *object)
{
	struct agent *a = object;

	a->costs.now.move = a->costs.now.slice = (struct gauge){ 0 };
	for (unsigned int i = 0; i < HY_LOCAL_CLIENTS_MAX; i++)
		a->programs.at[i].told.move = (struct gauge){ 0 };
	changed(a, false);
}

void cost_open(struct agent *a)
{
	struct costs *s = &a->costs;

	s->rest = (struct ev_timer){ .fn = forget_moves, .object = a };
	s->start = a->cfg.costs;
	s->shown = is_fixed(a) ? a->cfg.threshold :
				 threshold_settle(0, bytes_of(s, &nothing_told));
	s->shown_start = s->shown;
}

void cost_status(const struct agent *a, struct local_costs *out)
{
	const struct costs *s = &a->costs;
	const struct gauge *move = s->now.move.ps ? &s->now.move : &s->start.move;
	const struct gauge *plain = s->now.plain.ps ? &s->now.plain : &s->start.plain;

	*out = (struct local_costs){
		.measured = !is_fixed(a), .threshold = s->shown,
		.move_ns = move->ps / PS_PER_NS, .slice_ns = s->now.slice.ps / PS_PER_NS,
		.plain_ps = plain->ps, .adopt_us = s->adopt.ps / PS_PER_US,
	};
	for (unsigned int i = 0; i < HY_LOCAL_CLIENTS_MAX; i++) {
		const struct hy_page *page = a->programs.at[i].page;

		if (page && (!out->lowest || page->threshold < out->lowest))
			out->lowest = page->threshold;
		if (page && page->threshold > out->highest)
			out->highest = page->threshold;
	}
}

void cost_close(struct agent *a)
{
	ev_timer_cancel(a->loop, &a->costs.rest);
}

void cost_told(struct agent *a, struct program *p, const struct local_move *m)
{
	bool news = m->spent_ns && gauge_add(&p->told.move, m->spent_ns, 1, HY_COST_MOVES);

	/* a sample by itself: so many picoseconds each of a thousand */
	if (m->plain_ps)
		news |= gauge_add(&p->told.plain, m->plain_ps, PS_PER_NS, PS_PER_NS);
	if (news && !is_fixed(a) && cost_tell(a, p) && !a->costs.rest.pos)
		(void)ev_timer_set(a->loop, &a->costs.rest, HY_COST_REST_MS);
}

/* -- the clock -- */

static bool is_turn(uint32_t *count, uint32_t every)
{
	return (*count)++ % every == 0;
}

bool cost_connection(struct agent *a)
{
	return !is_fixed(a) && is_turn(&a->costs.conns, HY_COST_MOVES_EVERY);
}

/* It stands still while plain bytes are timed. */
static uint64_t clock_ns(const struct agent *a)
{
	return hy_clock_cpu_ns() - a->costs.plain_ns;
}

uint64_t cost_begin(struct agent *a, bool timed)
{
	if (!timed || is_fixed(a))
		return 0;
	a->costs.timing = true;
	return clock_ns(a);
}

/* A clock that went back makes a long time of it, which no gauge takes. */
static uint64_t took_ns(struct agent *a, uint64_t began)
{
	a->costs.timing = false;
	return clock_ns(a) - began;
}

void cost_move(struct agent *a, uint64_t began)
{
	if (began)
		(void)gauge_add(&a->costs.now.move, took_ns(a, began), 0, HY_COST_MOVES);
}

void cost_offer(struct agent *a, uint64_t began, uint32_t id)
{
	const struct conn *c = conn_find(a, id);

	if (c && (c->state != CONN_LOCAL || c->drain.waits))
		cost_move(a, began);
	a->costs.timing = false;
}

void cost_adopted(struct agent *a, const struct conn *c)
{
	struct costs *s = &a->costs;

	if (!c->timed)
		return;
	(void)gauge_add(&s->adopt, hy_clock_ns() - c->taken_ns, 1, HY_COST_MOVES);
	if (gauge_add(&s->now.move, 0, 1, HY_COST_MOVES))
		changed(a, true);
}

uint64_t cost_begin_slices(struct agent *a)
{
	return cost_begin(a, is_turn(&a->costs.works, HY_COST_SLICES_EVERY));
}

void cost_slices(struct agent *a, uint64_t began)
{
	if (began)
		(void)gauge_add(&a->costs.now.slice, took_ns(a, began), 0, HY_COST_SLICES);
}

void cost_slice(struct agent *a)
{
	if (!is_fixed(a) && is_turn(&a->costs.slices, HY_COST_SLICES_EVERY) &&
	    gauge_add(&a->costs.now.slice, 0, 1, HY_COST_SLICES))
		changed(a, false);
}

uint64_t cost_begin_plain(struct agent *a)
{
	if (is_fixed(a) || (!is_turn(&a->costs.plains, HY_COST_MOVES_EVERY) && !a->costs.timing))
		return 0;
	return hy_clock_cpu_ns();
}

void cost_plain(struct agent *a, uint64_t began, uint64_t bytes)
{
	struct costs *s = &a->costs;
	uint64_t ns = began ? hy_clock_cpu_ns() - began : 0;

	s->plain_ns += ns;
	if (began && bytes && gauge_add(&s->now.plain, ns, bytes, HY_COST_PLAIN_BYTES))
		changed(a, false);
}
