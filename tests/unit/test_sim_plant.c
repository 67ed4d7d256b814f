/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_sim_plant.c - a reckoned VM is the queue it claims to be, and again with the same seed
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
#include <math.h>
#include <string.h>

#include "control/queue.h"
#include "lab/sim/plant.h"
#include "lab/sim/run.h"

#define LONG_S 2e6
#define HOUR_S 3600
#define ALL_MB 1e6

static const struct plant_settings usual = {
	.vcpus = 1, .files = 100, .file_mb = 5, .file_spread = 0.5, .favour = 0.8,
	.compute_s = 3.3, .read_s_per_mb = 0.14, .noise = 0.4, .load = SIM_STEADY,
	.every_s = 8, .other_every_s = 4, .switch_s = 600,
};

static struct plant p;
static struct plant_sums seen;		/* by response() */

static double response(const struct plant_settings *s, uint64_t seed, double limit_mb)
{
	struct plant_sums before;

	plant_begin(&p, s, seed, limit_mb);
	plant_run(&p, LONG_S / 20);
	before = p.sums;
	plant_run(&p, LONG_S);
	seen = plant_since(&p, &before);
	return seen.response_s / (double)seen.ended;
}

/* With all files in memory it is M/G/1/PS, whose mean does not depend on how jobs differ. */
static void in_memory_it_is_the_queue_of_the_formula(void **state)
{
	struct plant_settings s = usual;

	(void)state;
	for (int every = 5; every <= 20; every += 5) {
		double found, wanted = queue_response(1.0 / every, s.compute_s);

		s.every_s = every;
		found = response(&s, 1, ALL_MB);
		assert_true(fabs(found / wanted - 1) < 0.05);
		assert_int_equal(seen.turned_away, 0);
		assert_true(fabs((double)seen.arrived / (LONG_S * 0.95) * every - 1) < 0.02);
	}
}

static void more_vcpus_are_shared_by_more_jobs(void **state)
{
	struct plant_settings s = usual;

	(void)state;
	s.vcpus = 64;
	s.every_s = 4;
	assert_true(fabs(response(&s, 1, ALL_MB) / s.compute_s - 1) < 0.02);
}

static void less_memory_takes_longer(void **state)
{
	struct plant_settings s = usual;
	double before = 0;

	(void)state;
	for (int mb = 512; mb > 1; mb /= 2) {
		double now = run_service(&usual, mb, 2000, 3);

		assert_true(now > before);
		before = now;
	}
	assert_true(fabs(run_service(&usual, ALL_MB, 2000, 3) / usual.compute_s - 1) < 0.05);
	s.idle_s = 60;		/* between two light jobs all files would leave */
	assert_true(run_service(&s, 256, 2000, 3) == run_service(&usual, 256, 2000, 3));
	before = usual.compute_s + usual.read_s_per_mb * usual.file_mb;
	assert_true(fabs(run_service(&usual, 0, 2000, 3) / before - 1) < 0.1);
}

static void the_same_seed_is_the_same_run(void **state)
{
	double first = response(&usual, 7, 100);

	(void)state;
	assert_true(response(&usual, 7, 100) == first);
	assert_true(response(&usual, 8, 100) != first);
}

/* Whatever memory does, the same jobs come at the same times. */
static void what_is_decided_changes_no_arrival(void **state)
{
	static struct plant other;

	(void)state;
	plant_begin(&p, &usual, 5, 16);
	plant_begin(&other, &usual, 5, 512);
	for (int i = 0; i < 100; i++) {
		plant_run(&p, i * 60);
		plant_run(&other, i * 60);
		assert_true(p.next_at == other.next_at && p.sums.arrived == other.sums.arrived);
	}
	assert_true(p.sums.response_s > other.sums.response_s);
}

static void loads_come_as_they_are_called(void **state)
{
	static const enum sim_load loads[] = { SIM_SWITCHING, SIM_BURSTY };
	struct plant_settings s = usual;

	(void)state;
	s.compute_s = 1;	/* so that all are done with */
	for (int i = 0; i < 2; i++) {
		s.load = loads[i];
		(void)response(&s, 2, ALL_MB);
		/* half the time at each */
		assert_true(fabs((double)seen.arrived / (LONG_S * 0.95 * 3 / 16) - 1) < 0.05);
	}
	plant_begin(&p, &s, 2, ALL_MB);
}

static void too_many_jobs_are_turned_away(void **state)
{
	struct plant_settings s = usual;

	(void)state;
	s.every_s = 0.1;
	plant_begin(&p, &s, 1, ALL_MB);
	plant_run(&p, HOUR_S);
	assert_int_equal(p.jobs, SIM_JOBS_MAX);
	assert_int_equal(p.sums.arrived,
			 p.sums.ended + p.jobs + p.sums.turned_away);
	assert_true(p.sums.turned_away > 0);
}

/* -- a run -- */

static struct run_settings run_of(enum law_scheme scheme)
{
	struct run_settings s = {
		.plant = usual, .memory = 512, .seconds = 10 * HOUR_S, .window_s = 120, .seed = 3,
		.law = { .scheme = scheme, .tau_s = 10, .floor = 16, .ceiling = 512, .quantum = 1,
			 .response_step_s = 2, .memory_step = 4, .interval_min_s = 30,
			 .interval_max_s = 240, .jobs_min = 3, .order = { 1, 0 }, .f0 = 100,
			 .forgetting = 1 },
	};

	s.plant.every_s = 5.2;
	assert_int_equal(run_identify(&s.plant, 16, 512, 1, &s.law.curve), 0);
	assert_true(s.law.curve.r2 > 0.8);
	return s;
}

static void a_law_holds_memory_below_what_it_might_have(void **state)
{
	struct run_settings s = run_of(LAW_BOTH);
	struct run_result both, fixed;

	(void)state;
	run_law(&s, &both);
	s.fixed = true;
	run_law(&s, &fixed);
	assert_true(fixed.memory_mean > 511.9 && fixed.memory_mean < 512.1);
	assert_true(both.memory_mean < fixed.memory_mean && both.memory_most <= 512);
	assert_true(both.resident_most <= both.memory_most);
	assert_true(both.windows > 250 && both.windows <= 300 && both.jobs > 6000);
	assert_true(both.over_s <= both.error_s);
	assert_true(both.reasons[LAW_REASON_BOTH] + both.reasons[LAW_REASON_LEARNT] > 0);
}

static void what_a_law_says_the_plant_has(void **state)
{
	struct run_settings s = run_of(LAW_QUEUE);
	struct run_result result;

	(void)state;
	s.plant.every_s = 4;	/* nothing is enough */
	s.memory = 16;
	run_law(&s, &result);
	assert_true(result.memory_most == 512 && result.resident_most > 200);
	s.fixed = true;
	run_law(&s, &result);
	assert_true(result.memory_most == 16 && result.resident_most <= 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_memory_it_is_the_queue_of_the_formula),
		cmocka_unit_test(more_vcpus_are_shared_by_more_jobs),
		cmocka_unit_test(less_memory_takes_longer),
		cmocka_unit_test(the_same_seed_is_the_same_run),
		cmocka_unit_test(what_is_decided_changes_no_arrival),
		cmocka_unit_test(loads_come_as_they_are_called),
		cmocka_unit_test(too_many_jobs_are_turned_away),
		cmocka_unit_test(a_law_holds_memory_below_what_it_might_have),
		cmocka_unit_test(what_a_law_says_the_plant_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
