/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_ours.c - a factor learnt beside the queue's model brings responses to their objective
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

#include "control/ours.h"

#define FLOOR 32
#define CEILING 512
#define TAU_S 10
#define AIM_S (OURS_AIM * TAU_S)
#define INTERVALS 100
#define JOBS 60

static const struct curve measured = { .a = 3, .b = 260, .c = 20 };	/* 8 to 3.5 s */

/* What Erlang's second formula says of jobs that share @vcpus, each on one at a time at most. */
static double response(double per_s, double service_s, unsigned int vcpus)
{
	double load = per_s * service_s, term = 1, sum = 0, waits;

	if (load >= vcpus)
		return 50 * TAU_S;
	for (unsigned int i = 0; i < vcpus; i++) {
		sum += term;
		term *= load / (i + 1);
	}
	waits = term * vcpus / (vcpus - load);
	waits /= sum + waits;
	return service_s * (1 + waits / (vcpus - load));
}

static struct ours_wanted decide(struct ours *o, const struct curve *c, double response_s,
				 double per_s, double memory)
{
	const struct ours_seen seen = { .response_s = response_s, .per_s = per_s,
					.seconds = JOBS / fmax(per_s, 0.01), .jobs = JOBS,
					.memory = memory };

	return ours_decide(o, c, TAU_S, FLOOR, CEILING, &seen);
}

/* Jobs take @wrong times what is measured. Return: the response at the end */
static double settle(const struct curve *told, bool is_measured, double per_s, double wrong,
		     unsigned int vcpus)
{
	double memory = CEILING, now_s = 0;
	struct ours o;

	ours_begin(&o, is_measured);
	for (int i = 0; i < INTERVALS; i++) {
		now_s = response(per_s, wrong * curve_at(&measured, memory), vcpus);
		memory = decide(&o, told, now_s, per_s, memory).memory;
		assert_true(memory >= FLOOR && memory <= CEILING);
	}
	return now_s;
}

static void assert_near(double found, double wanted, double part)
{
	if (fabs(found / wanted - 1) >= part)
		fail_msg("%f instead of %f", found, wanted);
}

/* The load at which what is aimed at is met in the middle, by bisection. */
static double load_inside(double wrong, unsigned int vcpus)
{
	double low = 0, high = 10;

	for (int i = 0; i < 60; i++) {
		double middle = (low + high) / 2;

		if (response(middle, wrong * curve_at(&measured, 120), vcpus) > AIM_S)
			high = middle;
		else
			low = middle;
	}
	return low;
}

static void it_comes_to_its_aim_however_wrong_the_curve_is(void **state)
{
	static const double wrongs[] = { 0.3, 0.7, 1, 1.5 };
	const struct curve assumed = ours_curve(FLOOR, CEILING);

	(void)state;
	for (unsigned int i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		for (unsigned int vcpus = 1; vcpus <= 8; vcpus *= 2) {
			double per_s = load_inside(wrongs[i], vcpus);

			assert_near(settle(&measured, true, per_s, wrongs[i], vcpus), AIM_S, 0.02);
			assert_near(settle(&assumed, false, per_s, wrongs[i], vcpus), AIM_S, 0.02);
		}
	}
}

static void an_objective_out_of_reach_is_a_rail(void **state)
{
	struct ours o;
	struct ours_wanted w = { 0 };

	(void)state;
	ours_begin(&o, true);
	for (int i = 0; i < 20; i++)
		w = decide(&o, &measured, 1.5 * TAU_S, 0.2, CEILING);
	assert_true(w.memory == CEILING && w.rail == QUEUE_CEILING && !w.overloaded);
	ours_begin(&o, true);
	w.memory = CEILING;
	for (int i = 0; i < 40; i++)
		w = decide(&o, &measured, 0.1, 0.01, w.memory);
	assert_near(w.memory, FLOOR, 0.01);
	assert_int_equal(w.rail, QUEUE_FLOOR);
}

static void what_piles_up_gets_the_most_at_once(void **state)
{
	struct ours o;

	(void)state;
	ours_begin(&o, true);
	assert_false(decide(&o, &measured, 1.9 * TAU_S, 0.1, FLOOR).overloaded);
	assert_true(decide(&o, &measured, 2.1 * TAU_S, 0.1, FLOOR).overloaded);
	assert_true(decide(&o, &measured, 2.1 * TAU_S, 0.1, FLOOR).memory == CEILING);
}

static void longer_responses_never_mean_less_memory(void **state)
{
	const struct curve assumed = ours_curve(FLOOR, CEILING);

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct ours shorter, longer;
		double per_s = 0.01 + (double)(random() % 1000) / 500;
		double response_s = 0.1 + (double)(random() % 1000) / 50;
		double memory = FLOOR + (double)(random() % (CEILING - FLOOR));
		const struct curve *c = i % 2 ? &measured : &assumed;

		ours_begin(&shorter, i % 2);
		decide(&shorter, c, 3, 0.5, 100);
		longer = shorter;
		assert_true(decide(&shorter, c, response_s, per_s, memory).memory <=
			    decide(&longer, c, response_s * 1.3, per_s, memory).memory);
	}
}

static void another_rate_is_heeded_before_responses_show_it(void **state)
{
	struct ours o;
	double memory = 100, before, factor;

	(void)state;
	ours_begin(&o, true);
	for (int i = 0; i < INTERVALS; i++)
		memory = decide(&o, &measured, response(0.1, curve_at(&measured, memory), 1), 0.1,
				memory).memory;
	before = memory;
	factor = o.slower;
	memory = decide(&o, &measured, TAU_S, 0.2, memory).memory;
	assert_true(memory > 1.5 * before);
	/* the response is the former rate's: nothing is learnt from it */
	assert_true(o.slower == factor && o.per_s == 0.2);
}

/* Counts of 60 differ by 8 and more, though the rate is the same. */
static void counts_by_chance_are_no_other_rate(void **state)
{
	struct ours o;

	(void)state;
	ours_begin(&o, true);
	decide(&o, &measured, TAU_S, 0.1, 100);
	for (int i = 0; i < 200; i++) {
		decide(&o, &measured, TAU_S, i % 2 ? 0.12 : 0.08, 100);
		assert_near(o.per_s, 0.1, 0.2);
		assert_true(o.per_s != 0.12 && o.per_s != 0.08);
	}
}

static void one_strange_interval_is_no_law(void **state)
{
	struct ours o;

	(void)state;
	ours_begin(&o, true);
	decide(&o, &measured, 5, 0.1, 100);
	decide(&o, &measured, 5, 0.1, 100);
	for (int i = 0; i < 2; i++) {
		double before = o.slower;

		decide(&o, &measured, i ? 1e-9 : 1e9, 0.1, 100);
		assert_true(fabs(log(o.slower / before)) < 0.3);
	}
}

static void an_assumed_curve_falls_to_a_quarter(void **state)
{
	static const double at[][2] = { { 0, 1 }, { 16, 512 }, { 100, 101 }, { 1, 1e7 } };

	(void)state;
	for (unsigned int i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		struct curve c = ours_curve(at[i][0], at[i][1]);

		assert_true(curve_is_good(&c, at[i][0]));
		assert_near(curve_at(&c, at[i][0]), 4 * curve_at(&c, at[i][1]), 1e-6);
	}
	assert_true(curve_is_good(&(struct curve){ .b = 1, .c = ours_curve(64, 64).c }, 64));
}

static void it_looks_again_when_enough_have_come(void **state)
{
	struct ours o;

	(void)state;
	ours_begin(&o, true);
	assert_true(isinf(ours_interval(&o)));
	decide(&o, &measured, 5, 0.5, 100);
	assert_near(ours_interval(&o), 20, 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_comes_to_its_aim_however_wrong_the_curve_is),
		cmocka_unit_test(an_objective_out_of_reach_is_a_rail),
		cmocka_unit_test(what_piles_up_gets_the_most_at_once),
		cmocka_unit_test(longer_responses_never_mean_less_memory),
		cmocka_unit_test(another_rate_is_heeded_before_responses_show_it),
		cmocka_unit_test(counts_by_chance_are_no_other_rate),
		cmocka_unit_test(one_strange_interval_is_no_law),
		cmocka_unit_test(an_assumed_curve_falls_to_a_quarter),
		cmocka_unit_test(it_looks_again_when_enough_have_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
