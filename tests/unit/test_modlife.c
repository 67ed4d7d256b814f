/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_modlife.c - the life of a module: every state with everything that can happen in it
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "hylics-keeper/modlife.h"

#define T0 1000000u
#define STEPS 200000u

static void assert_state(const struct modlife *l, enum modules_life state, uint64_t due_ms)
{
	assert_int_equal(l->state, state);
	assert_int_equal(modlife_due_ms(l), due_ms);
}

static struct modlife started(void)
{
	struct modlife l = { 0 };

	assert_int_equal(modlife_want(&l, true, T0), MODLIFE_START);
	assert_state(&l, MODULES_LIFE_starting, T0 + MODLIFE_START_MS);
	return l;
}

static struct modlife running(void)
{
	struct modlife l = started();

	modlife_listens(&l, T0);
	assert_state(&l, MODULES_LIFE_running, UINT64_MAX);
	return l;
}

static void what_is_wanted_runs_until_it_is_not(void **state)
{
	struct modlife l = running();

	(void)state;
	assert_int_equal(modlife_want(&l, true, T0), MODLIFE_NOTHING);
	assert_int_equal(modlife_want(&l, false, T0 + 5), MODLIFE_ASK);
	assert_state(&l, MODULES_LIFE_stopping, T0 + 5 + MODLIFE_STOP_MS);
	assert_int_equal(modlife_want(&l, false, T0 + 6), MODLIFE_NOTHING);
	assert_int_equal(modlife_ended(&l, T0 + 7), MODLIFE_NOTHING);
	assert_state(&l, MODULES_LIFE_stopped, UINT64_MAX);
	assert_int_equal(modlife_want(&l, false, T0 + 8), MODLIFE_NOTHING);
}

static void one_that_does_not_end_is_killed_once(void **state)
{
	struct modlife l = running();

	(void)state;
	modlife_want(&l, false, T0);
	assert_int_equal(modlife_due(&l, T0 + MODLIFE_STOP_MS - 1), MODLIFE_NOTHING);
	assert_int_equal(modlife_due(&l, T0 + MODLIFE_STOP_MS), MODLIFE_KILL);
	assert_state(&l, MODULES_LIFE_stopping, UINT64_MAX);
	assert_int_equal(modlife_due(&l, UINT64_MAX - 1), MODLIFE_NOTHING);
	assert_int_equal(modlife_ended(&l, T0 + MODLIFE_STOP_MS), MODLIFE_NOTHING);
	assert_state(&l, MODULES_LIFE_stopped, UINT64_MAX);
}

static void one_that_never_listens_is_killed_and_tried_again(void **state)
{
	struct modlife l = started();
	uint64_t now = T0 + MODLIFE_START_MS;

	(void)state;
	assert_int_equal(modlife_due(&l, now - 1), MODLIFE_NOTHING);
	assert_int_equal(modlife_due(&l, now), MODLIFE_KILL);
	modlife_listens(&l, now);		/* too late: it dies already */
	assert_state(&l, MODULES_LIFE_starting, UINT64_MAX);
	assert_int_equal(modlife_ended(&l, now), MODLIFE_NOTHING);
	assert_state(&l, MODULES_LIFE_failing, now + MODLIFE_PAUSE_MIN_MS);
	assert_int_equal(modlife_due(&l, now + MODLIFE_PAUSE_MIN_MS), MODLIFE_START);
	assert_int_equal(l.starts, 2);
}

static void pauses_double_up_to_a_minute(void **state)
{
	struct modlife l = started();
	uint64_t pause = MODLIFE_PAUSE_MIN_MS, now = T0;

	(void)state;
	for (unsigned int i = 0; i < 20; i++) {
		assert_int_equal(modlife_ended(&l, now), MODLIFE_NOTHING);
		assert_state(&l, MODULES_LIFE_failing, now + pause);
		now += pause;
		assert_int_equal(modlife_due(&l, now), MODLIFE_START);
		pause = pause * 2 > MODLIFE_PAUSE_MAX_MS ? MODLIFE_PAUSE_MAX_MS : pause * 2;
	}
	modlife_listens(&l, now);
	modlife_ended(&l, now + MODLIFE_STEADY_MS - 1);
	assert_int_equal(l.pause_ms, MODLIFE_PAUSE_MAX_MS);
	modlife_due(&l, now += 2 * MODLIFE_PAUSE_MAX_MS);
	modlife_listens(&l, now);
	modlife_ended(&l, now + MODLIFE_STEADY_MS);
	assert_int_equal(l.pause_ms, MODLIFE_PAUSE_MIN_MS);
}

static void one_that_fails_and_is_not_wanted_has_stopped(void **state)
{
	struct modlife l = started();

	(void)state;
	modlife_ended(&l, T0);
	assert_int_equal(modlife_want(&l, true, T0), MODLIFE_NOTHING);
	assert_int_equal(modlife_want(&l, false, T0), MODLIFE_NOTHING);
	assert_state(&l, MODULES_LIFE_stopped, UINT64_MAX);
	assert_int_equal(modlife_want(&l, true, T0), MODLIFE_START);
	assert_int_equal(l.starts, 1);
	assert_int_equal(l.pause_ms, 0);
}

static void wanted_again_before_it_has_ended_it_starts_at_once(void **state)
{
	struct modlife l = started();

	(void)state;
	assert_int_equal(modlife_want(&l, false, T0), MODLIFE_ASK);
	assert_int_equal(modlife_want(&l, true, T0), MODLIFE_NOTHING);
	assert_int_equal(modlife_ended(&l, T0), MODLIFE_START);
	assert_state(&l, MODULES_LIFE_starting, T0 + MODLIFE_START_MS);
}

/* Any order of events: a program runs in three states alone, and is never started beside itself. */
static void any_order_of_events_holds_one_program(void **state)
{
	struct modlife l = { 0 };
	uint64_t now = T0;
	bool runs = false;

	(void)state;
	srandom(7);
	for (unsigned int i = 0; i < STEPS; i++) {
		enum modlife_act act = MODLIFE_NOTHING;

		now += (uint64_t)(random() % 4 ? random() % 50 : random() % 20000);
		switch (random() % 4) {
		case 0:
			act = modlife_want(&l, random() % 2, now);
			break;
		case 1:
			modlife_listens(&l, now);
			break;
		case 2:
			act = runs ? modlife_ended(&l, now) : MODLIFE_NOTHING;
			runs = act == MODLIFE_NOTHING && l.state != MODULES_LIFE_failing &&
			       l.state != MODULES_LIFE_stopped && runs;
			break;
		default:
			act = modlife_due(&l, now);
		}
		assert_false(act == MODLIFE_START && runs);
		assert_false((act == MODLIFE_ASK || act == MODLIFE_KILL) && !runs);
		runs |= act == MODLIFE_START;
		assert_int_equal(runs, l.state != MODULES_LIFE_stopped &&
				 l.state != MODULES_LIFE_failing);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wanted_runs_until_it_is_not),
		cmocka_unit_test(one_that_does_not_end_is_killed_once),
		cmocka_unit_test(one_that_never_listens_is_killed_and_tried_again),
		cmocka_unit_test(pauses_double_up_to_a_minute),
		cmocka_unit_test(one_that_fails_and_is_not_wanted_has_stopped),
		cmocka_unit_test(wanted_again_before_it_has_ended_it_starts_at_once),
		cmocka_unit_test(any_order_of_events_holds_one_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
