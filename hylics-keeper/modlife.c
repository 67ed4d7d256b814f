/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * modlife.c - the life of a module: when it is started, told to end, killed, started again
 *
 * Runs in: hylics-keeper
 * Reads from: no untrusted input
 */
#include "hylics-keeper/modlife.h"

#include "common/clock.h"

static void become(struct modlife *l, enum modules_life state, uint64_t now_ms)
{
	l->state = state;
	l->since_ms = now_ms;
	l->killed = false;
}

static enum modlife_act start(struct modlife *l, uint64_t now_ms)
{
	become(l, MODULES_LIFE_starting, now_ms);
	l->starts++;
	return MODLIFE_START;
}

static enum modlife_act start_anew(struct modlife *l, uint64_t now_ms)
{
	l->starts = 0;
	l->pause_ms = 0;
	return start(l, now_ms);
}

enum modlife_act modlife_want(struct modlife *l, bool wanted, uint64_t now_ms)
{
	l->wanted = wanted;
	switch (l->state) {
	case MODULES_LIFE_stopped:
		return wanted ? start_anew(l, now_ms) : MODLIFE_NOTHING;
	case MODULES_LIFE_starting:
	case MODULES_LIFE_running:
		if (wanted)
			return MODLIFE_NOTHING;
		become(l, MODULES_LIFE_stopping, now_ms);
		return MODLIFE_ASK;
	case MODULES_LIFE_failing:
		if (!wanted)
			become(l, MODULES_LIFE_stopped, now_ms);
		return MODLIFE_NOTHING;
	default:
		return MODLIFE_NOTHING;		/* stopping: its end is what decides */
	}
}

void modlife_listens(struct modlife *l, uint64_t now_ms)
{
	if (l->state == MODULES_LIFE_starting && !l->killed)
		become(l, MODULES_LIFE_running, now_ms);
}

enum modlife_act modlife_ended(struct modlife *l, uint64_t now_ms)
{
	bool steady = l->state == MODULES_LIFE_running &&
		      now_ms - l->since_ms >= MODLIFE_STEADY_MS;

	if (l->state == MODULES_LIFE_stopping) {
		become(l, MODULES_LIFE_stopped, now_ms);
		return l->wanted ? start_anew(l, now_ms) : MODLIFE_NOTHING;
	}
	if (l->state == MODULES_LIFE_stopped)
		return MODLIFE_NOTHING;
	l->pause_ms = hy_clock_pause(steady ? 0 : l->pause_ms, MODLIFE_PAUSE_MIN_MS,
				     MODLIFE_PAUSE_MAX_MS);
	become(l, MODULES_LIFE_failing, now_ms);
	return MODLIFE_NOTHING;
}

uint64_t modlife_due_ms(const struct modlife *l)
{
	if (l->killed)
		return UINT64_MAX;
	switch (l->state) {
	case MODULES_LIFE_starting:
		return l->since_ms + MODLIFE_START_MS;
	case MODULES_LIFE_failing:
		return l->since_ms + l->pause_ms;
	case MODULES_LIFE_stopping:
		return l->since_ms + MODLIFE_STOP_MS;
	default:
		return UINT64_MAX;
	}
}

enum modlife_act modlife_due(struct modlife *l, uint64_t now_ms)
{
	if (now_ms < modlife_due_ms(l))
		return MODLIFE_NOTHING;
	if (l->state == MODULES_LIFE_failing)
		return start(l, now_ms);
	l->killed = true;
	return MODLIFE_KILL;
}
