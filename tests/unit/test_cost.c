/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_cost.c - what is timed, whose threshold it changes, and when it is forgotten
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "hylics-agent/agent.h"

#define US 1000000u			/* picoseconds */
#define START (2 * 30 * US / 150)	/* what the trial below makes */
#define SHOWN ((START + 4095) / 4096 * 4096)

static struct agent agent;		/* large */
static struct ev_loop loop;
static const struct hy_log quiet = { .program = "test", .level = HY_LOG_ERR };
static struct hy_page pages[2];

/* Two programs; the trial found 30 us and 150 ps. */
static void open_agent(uint64_t fixed)
{
	struct hy_err e = { 0 };

	memset(&agent, 0, sizeof(agent));
	memset(pages, 0, sizeof(pages));
	assert_int_equal(ev_open(&loop, 64, &e), 0);
	agent.loop = &loop;
	agent.log = &quiet;
	agent.cfg.threshold = fixed;
	agent.cfg.costs.move.ps = 30 * US;
	agent.cfg.costs.plain.ps = 150;
	cost_open(&agent);
	for (int i = 0; i < 2; i++) {
		agent.programs.at[i].page = &pages[i];
		(void)cost_tell(&agent, &agent.programs.at[i]);
	}
}

static void close_agent(void)
{
	cost_close(&agent);
	ev_close(&loop);
}

/* Many times: it is far from what is smoothed. */
static void tell(unsigned int program, uint32_t spent_ns, uint32_t plain_ps)
{
	const struct local_move m = { .spent_ns = spent_ns, .plain_ps = plain_ps };

	for (unsigned int i = 0; i < 100 * HY_COST_MOVES; i++)
		cost_told(&agent, &agent.programs.at[program], &m);
}

/* A whole move that took some CPU time. */
static void move(void)
{
	struct conn c = { .timed = true, .taken_ns = hy_clock_ns() };
	uint64_t began = cost_begin(&agent, true);

	while (hy_clock_cpu_ns() < began + agent.costs.plain_ns + 50000)
		;
	cost_move(&agent, began);
	cost_adopted(&agent, &c);
}

static void a_fixed_threshold_is_never_measured(void **state)
{
	struct local_costs c;

	(void)state;
	open_agent(77777);
	assert_false(cost_connection(&agent));
	assert_int_equal(cost_begin(&agent, true), 0);
	assert_int_equal(cost_begin_slices(&agent), 0);
	assert_int_equal(cost_begin_plain(&agent), 0);
	tell(0, 1000000, 1);
	for (int i = 0; i < 100; i++)
		cost_slice(&agent);
	assert_int_equal(pages[0].threshold, 77777);
	cost_status(&agent, &c);
	assert_false(c.measured);
	assert_int_equal(c.threshold, 77777);
	assert_int_equal(agent.costs.rest.pos, 0);
	close_agent();
}

static void it_begins_with_the_trial(void **state)
{
	struct local_costs c;

	(void)state;
	open_agent(0);
	assert_int_equal(pages[0].threshold, SHOWN);
	cost_status(&agent, &c);
	assert_true(c.measured);
	assert_int_equal(c.threshold, SHOWN);
	assert_int_equal(c.lowest, SHOWN);
	assert_int_equal(c.highest, SHOWN);
	assert_int_equal(c.move_ns, 30000);
	assert_int_equal(c.plain_ps, 150);
	assert_int_equal(c.slice_ns, 0);
	assert_int_equal(c.adopt_us, 0);
	close_agent();
}

static void one_of_some_is_timed(void **state)
{
	unsigned int n = 0;

	(void)state;
	open_agent(0);
	for (int i = 0; i < 10 * HY_COST_MOVES_EVERY; i++)
		n += cost_connection(&agent);
	assert_int_equal(n, 10);
	close_agent();
}

static void moves_are_measured(void **state)
{
	(void)state;
	open_agent(0);
	for (int i = 0; i < HY_COST_MOVES - 1; i++)
		move();
	assert_int_equal(agent.costs.now.move.ps, 0);
	move();
	assert_true(agent.costs.now.move.ps >= 50 * US);
	assert_true(agent.costs.adopt.ps >= 50 * US);
	close_agent();
}

/* A connection that has come home, and sends at once, must not make homes dear. */
static void plain_bytes_within_a_move_are_left_out(void **state)
{
	uint64_t began, plain, all, end;

	(void)state;
	open_agent(0);
	agent.costs.plains = 1;		/* not its turn, but it is within */
	all = hy_clock_cpu_ns();
	began = cost_begin(&agent, true);
	plain = cost_begin_plain(&agent);
	end = hy_clock_cpu_ns() + 2000000;
	while (hy_clock_cpu_ns() < end)
		;
	cost_plain(&agent, plain, 1000);
	cost_move(&agent, began);
	all = hy_clock_cpu_ns() - all;
	assert_true(agent.costs.now.plain.sum_ns >= 2000000);
	assert_true(agent.costs.now.move.sum_ns <= all - 2000000);
	close_agent();
}

static void an_offer_that_was_refused_at_once_is_nothing(void **state)
{
	static struct conn row;

	(void)state;
	open_agent(0);
	agent.conns.at = &row;
	agent.conns.top = 1;
	row.state = CONN_LOCAL;
	cost_offer(&agent, cost_begin(&agent, true), 0);
	assert_int_equal(agent.costs.now.move.sum_ns, 0);
	row.state = CONN_OFFERED;
	cost_offer(&agent, cost_begin(&agent, true), 0);
	assert_true(agent.costs.now.move.sum_ns > 0);
	cost_offer(&agent, cost_begin(&agent, true), 1 << 20);	/* it is gone already */
	assert_false(agent.costs.timing);
	close_agent();
}

static void a_program_decides_about_itself_alone(void **state)
{
	(void)state;
	open_agent(0);
	for (int i = 0; i < HY_COST_MOVES; i++)
		move();
	tell(0, HY_COST_NS_MAX, 1);
	assert_int_equal(pages[0].threshold, HY_THRESHOLD_MAX);
	assert_int_equal(pages[1].threshold, SHOWN);
	assert_int_equal(agent.costs.shown, SHOWN);
	tell(0, UINT32_MAX, UINT32_MAX);	/* nobody is that slow */
	assert_int_equal(pages[0].threshold, HY_THRESHOLD_MAX);
	tell(0, 1, HY_COST_NS_MAX);
	assert_true(pages[0].threshold <= HY_THRESHOLD_MIN + HY_THRESHOLD_MIN / 3);
	assert_int_equal(pages[1].threshold, SHOWN);
	close_agent();
}

static void a_high_one_is_tried_anew(void **state)
{
	(void)state;
	open_agent(0);
	for (int i = 0; i < HY_COST_MOVES; i++)
		move();
	assert_int_equal(agent.costs.rest.pos, 0);
	tell(0, 1000000, 150);
	assert_true(pages[0].threshold > 4 * SHOWN);
	assert_true(agent.costs.rest.pos > 0);
	agent.costs.rest.fn(agent.costs.rest.object);	/* its time has come */
	assert_int_equal(agent.costs.now.move.ps, 0);
	assert_int_equal(pages[0].threshold, SHOWN);
	assert_int_equal(agent.programs.at[0].told.plain.ps, 150);
	close_agent();
}

static void plain_bytes_do_not_put_that_off(void **state)
{
	uint64_t due;

	(void)state;
	open_agent(0);
	for (int i = 0; i < HY_COST_MOVES; i++)
		move();
	tell(0, 1000000, 150);
	due = agent.costs.rest.due_ns;
	for (int i = 0; i < 100; i++)
		cost_plain(&agent, hy_clock_cpu_ns() - 1000000, HY_COST_PLAIN_BYTES);
	assert_true(agent.costs.now.plain.ps > 0);
	tell(0, 1000000, 150);
	assert_true(agent.costs.rest.due_ns == due);
	for (int i = 0; i < HY_COST_MOVES; i++)
		move();
	assert_true(agent.costs.rest.due_ns > due);
	close_agent();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fixed_threshold_is_never_measured),
		cmocka_unit_test(it_begins_with_the_trial),
		cmocka_unit_test(one_of_some_is_timed),
		cmocka_unit_test(moves_are_measured),
		cmocka_unit_test(plain_bytes_within_a_move_are_left_out),
		cmocka_unit_test(an_offer_that_was_refused_at_once_is_nothing),
		cmocka_unit_test(a_program_decides_about_itself_alone),
		cmocka_unit_test(a_high_one_is_tried_anew),
		cmocka_unit_test(plain_bytes_do_not_put_that_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
