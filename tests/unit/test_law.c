/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_law.c - memory by response times: as the paper's algorithm says, and within bounds always
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

#include "control/law.h"

#define STEPS 400
#define TRACES 500
#define TRACE_STEPS 2000

/* An objective of 10 s lies inside: service times of 8 to 3 s. */
static const struct law_settings usual = {
	.scheme = LAW_BOTH, .tau_s = 10, .floor = 32, .ceiling = 512, .quantum = 4,
	.response_step_s = 2, .memory_step = 8, .interval_min_s = 30, .interval_max_s = 240,
	.jobs_min = 3, .order = { 1, 0 }, .f0 = 100, .forgetting = 1,
	.curve = { .a = 3, .b = 260, .c = 20 },
};

static double chance(void)
{
	return (double)random() / (double)RAND_MAX;
}

static struct law_settings with(enum law_scheme scheme)
{
	struct law_settings s = usual;

	s.scheme = scheme;
	return s;
}

static struct law_seen seen(double response_s, double per_s)
{
	return (struct law_seen){ .response_s = response_s, .per_s = per_s, .jobs = 10 };
}

/* -- settings -- */

#define FAULT(field, value, word)                                                                  \
	do {                                                                                       \
		struct law_settings faulty = usual;                                                \
		faulty.field = (value);                                                            \
		assert_non_null(law_settings_fault(&faulty));                                      \
		assert_non_null(strstr(law_settings_fault(&faulty), word));                        \
	} while (0)

static void settings_that_cannot_be_are_told(void **state)
{
	struct law_settings s = usual;

	(void)state;
	assert_null(law_settings_fault(&s));
	FAULT(tau_s, 0, "objective");
	FAULT(tau_s, -1, "objective");
	FAULT(tau_s, NAN, "objective");
	FAULT(tau_s, INFINITY, "objective");
	FAULT(floor, -1, "memory");
	FAULT(ceiling, 31, "memory");
	FAULT(quantum, 0, "quantum");
	FAULT(response_step_s, -1, "thresholds");
	FAULT(memory_step, NAN, "thresholds");
}

static void intervals_and_models_that_cannot_be_are_told(void **state)
{
	struct law_settings s = with(LAW_ADAPTIVE);

	(void)state;
	FAULT(interval_min_s, 0, "interval");
	FAULT(interval_max_s, 29, "interval");
	FAULT(f0, 0, "f0");
	FAULT(forgetting, 1.1, "forgetting");
	FAULT(curve.a, NAN, "curve");
	FAULT(curve.c, -40, "curve");
	s.curve.a = NAN;
	assert_null(law_settings_fault(&s));	/* it has no use for one */
	s.curve = (struct curve){ 0 };		/* none: ours does without, the queue's model not */
	s.scheme = LAW_OURS;
	assert_null(law_settings_fault(&s));
	s.scheme = LAW_QUEUE;
	assert_non_null(law_settings_fault(&s));
}

/* -- the algorithm, line by line -- */

static void the_queues_model_is_asked_when_the_response_has_changed(void **state)
{
	const struct law_settings s = with(LAW_QUEUE);
	enum queue_rail rail;
	double wanted = queue_memory(&s.curve, 0.1, 10, 32, 512, &rail);
	struct law_seen now = seen(14, 0.1);
	struct law l;

	(void)state;
	law_begin(&l, &s, 500);
	assert_true(fabs(law_decide(&l, &now) - wanted) <= s.quantum);
	assert_int_equal(l.reason, LAW_REASON_QUEUE);
	wanted = l.memory;
	now = seen(15.9, 0.2);	/* less than the threshold */
	assert_true(law_decide(&l, &now) == wanted && l.reason == LAW_REASON_WITHIN);
	now = seen(16, 0.12);
	assert_true(law_decide(&l, &now) > wanted && l.reason == LAW_REASON_QUEUE);
}

static void the_interval_halves_and_doubles_within_its_bounds(void **state)
{
	const struct law_settings s = with(LAW_QUEUE);
	const double doubled[] = { 60, 120, 240, 240 }, halved[] = { 120, 60, 30, 30 };
	struct law_seen now = seen(10, 0.1);
	struct law l;

	(void)state;
	law_begin(&l, &s, 100);
	assert_true(l.interval_s == 30);
	for (int i = 0; i < 4; i++) {
		law_decide(&l, &now);
		assert_true(l.interval_s == doubled[i]);
	}
	l.set.scheme = LAW_ADAPTIVE;	/* and what it tries is above the threshold */
	for (int i = 0; i < 4; i++) {
		now = seen(20, 0.1);
		rls_begin(&l.model, s.order, s.f0, 1);
		law_decide(&l, &now);
		assert_int_equal(l.reason, LAW_REASON_TRIED);
		assert_true(l.interval_s == halved[i]);
	}
}

static void what_is_below_the_threshold_is_not_done(void **state)
{
	const struct law_settings s = with(LAW_ADAPTIVE);
	struct law_seen now = seen(10.1, 0.1);
	struct law l;

	(void)state;
	law_begin(&l, &s, 100);
	l.model.theta[0] = 1;
	l.model.theta[1] = -0.02;	/* a MB is 20 ms: 0.1 s are 5 MB */
	assert_true(law_decide(&l, &now) == 100 && l.reason == LAW_REASON_WITHIN);
	assert_true(l.interval_s == 60);
	rls_begin(&l.model, s.order, 1e-9, 1);
	l.model.theta[0] = 1;
	l.model.theta[1] = -0.02;
	now = seen(10.2, 0.1);		/* 10 MB, in whole quanta */
	assert_true(law_decide(&l, &now) == 112 && l.reason == LAW_REASON_LEARNT);
	assert_true(l.interval_s == 30);
}

static void too_few_jobs_decide_nothing(void **state)
{
	struct law_seen now = { .response_s = 100, .per_s = 1, .jobs = 2 };
	struct law l;

	(void)state;
	law_begin(&l, &usual, 100);
	assert_true(law_decide(&l, &now) == 100 && l.reason == LAW_REASON_FEW_JOBS);
	assert_true(l.interval_s == 30 && l.decisions == 1);
	assert_int_equal(l.counts[LAW_REASON_FEW_JOBS], 1);
	now.jobs = 3;
	assert_true(law_decide(&l, &now) != 100);
}

/* What a response came from is not known when there was none before it. */
static void nothing_is_learnt_across_an_interval_without_jobs(void **state)
{
	const struct law_settings s = with(LAW_ADAPTIVE);
	struct law_seen now = seen(14, 0.1), none = { 0 };
	double theta[RLS_SIZE_MAX];
	struct law l;

	(void)state;
	law_begin(&l, &s, 100);
	for (int i = 0; i < 3; i++)
		law_decide(&l, &now);
	memcpy(theta, l.model.theta, sizeof(theta));
	law_decide(&l, &none);
	now.response_s = 3;
	law_decide(&l, &now);
	assert_memory_equal(l.model.theta, theta, sizeof(theta));
	now.response_s = 12;
	law_decide(&l, &now);
	assert_memory_not_equal(l.model.theta, theta, sizeof(theta));
}

static void every_reason_has_its_words(void **state)
{
	(void)state;
	for (int i = 0; i < LAW_REASONS_N; i++)
		assert_true(strlen(law_reason_text((enum law_reason)i)) > 8);
	assert_string_equal(law_reason_text(LAW_REASONS_N), "unknown");
}

/* -- against a queue -- */

/* The queue's own formula, with service times that the law's curve is wrong about by a factor. */
static double response(double memory, double per_s, double wrong)
{
	return fmin(queue_response(per_s, curve_at(&usual.curve, memory) * wrong), 1000);
}

static double settle(struct law *l, double per_s, double wrong, double shaken)
{
	double aim_s = l->set.tau_s * (l->set.scheme == LAW_OURS ? OURS_AIM : 1), sum = 0;

	for (int i = 0; i < STEPS; i++) {
		struct law_seen now;
		double now_s = response(l->memory, per_s, wrong);

		now_s *= 1 + shaken * (chance() - 0.5);
		now = seen(now_s, per_s);
		law_decide(l, &now);
		sum += i >= STEPS / 2 ? fabs(now_s - aim_s) : 0;
	}
	return sum / (STEPS / 2.0);
}

static void a_queue_that_is_as_the_curve_says_is_at_its_objective(void **state)
{
	static const enum law_scheme schemes[] = { LAW_QUEUE, LAW_BOTH, LAW_OURS };
	struct law l;

	(void)state;
	for (int i = 0; i < 3; i++) {
		for (int percent = 6; percent < 13; percent++) {
			struct law_settings s = with(schemes[i]);

			s.memory_step = s.quantum;
			law_begin(&l, &s, 512);
			assert_true(settle(&l, percent / 100.0, 1, 0) < 0.5);
		}
	}
}

static void what_the_curve_is_wrong_about_is_learnt(void **state)
{
	struct law_settings s = with(LAW_QUEUE);
	double queue, both;
	struct law l;

	(void)state;
	law_begin(&l, &s, 512);
	queue = settle(&l, 0.1, 1.15, 0);
	s = with(LAW_BOTH);
	law_begin(&l, &s, 512);
	both = settle(&l, 0.1, 1.15, 0);
	assert_true(queue > 1.5 && both < queue / 2);
	s = with(LAW_OURS);
	law_begin(&l, &s, 512);
	assert_true(settle(&l, 0.1, 1.15, 0) < queue / 3);
}

/* A factor belongs to its curve; other settings leave it. */
static void what_is_learnt_of_a_curve_goes_with_it(void **state)
{
	struct law_settings s = with(LAW_OURS);
	struct law l;
	double slower;

	(void)state;
	law_begin(&l, &s, 512);
	(void)settle(&l, 0.1, 1.3, 0);
	slower = l.ours.slower;
	assert_true(slower > 1.2);
	s.tau_s = 8;
	law_change(&l, &s);
	assert_true(l.ours.slower == slower);
	s.curve.a = 2;
	law_change(&l, &s);
	assert_true(l.ours.slower == 1);
	s.curve = (struct curve){ 0 };
	law_change(&l, &s);
	assert_true(l.ours.slower == 0);
	(void)settle(&l, 0.1, 1, 0);
	slower = l.ours.slower;
	s.ceiling = 256;	/* and with it what is assumed */
	law_change(&l, &s);
	assert_true(slower > 0 && l.ours.slower == 0);
}

static void ours_tells_why(void **state)
{
	struct law_settings s = with(LAW_OURS);
	struct law_seen now = seen(25, 0.1);
	struct law l;

	(void)state;
	law_begin(&l, &s, 100);
	assert_true(law_decide(&l, &now) == 512 && l.reason == LAW_REASON_OVERLOADED);
	assert_int_equal(l.rail, QUEUE_CEILING);
	now.response_s = 3;
	assert_true(law_decide(&l, &now) < 512 && l.reason == LAW_REASON_CORRECTED);
	assert_int_equal(l.rail, QUEUE_INSIDE);
	assert_true(l.interval_s == 100);	/* of ten jobs */
	(void)settle(&l, 0.1, 1, 0);
	assert_int_equal(l.reason, LAW_REASON_WITHIN);
}

/* In steps that get shorter, but it does get there. */
static void where_the_least_is_enough_it_is_the_floor(void **state)
{
	struct law_settings s = with(LAW_OURS);
	struct law l;

	(void)state;
	law_begin(&l, &s, 512);
	(void)settle(&l, 0.01, 0.2, 0);
	assert_true(l.memory == s.floor);
	assert_int_equal(l.rail, QUEUE_FLOOR);
}

static void where_nothing_is_enough_it_is_the_ceiling(void **state)
{
	struct law l;

	(void)state;
	law_begin(&l, &usual, 32);
	(void)settle(&l, 0.4, 1, 0);
	assert_true(l.memory == usual.ceiling);
	assert_int_equal(l.rail, QUEUE_CEILING);
}

static void a_response_that_stays_near_is_left_alone(void **state)
{
	struct law l;
	double memory;

	(void)state;
	law_begin(&l, &usual, 100);
	(void)settle(&l, 0.1, 1, 0);
	memory = l.memory;
	for (int i = 0; i < 100; i++) {
		struct law_seen now = seen(10 + (chance() - 0.5) * 0.02, 0.1);

		assert_true(fabs(law_decide(&l, &now) - memory) <= 2 * usual.memory_step);
		assert_true(l.interval_s >= 60 || i < 3);
	}
}

/* -- whatever comes -- */

static double odd_number(void)
{
	static const double odd[] = { NAN, INFINITY, -INFINITY, -1, 0, 1e300, -1e300, 1e-300 };

	switch (random() % 4) {
	case 0:
		return odd[random() % 8];
	case 1:
		return chance() * 1e6;
	default:
		return chance() * 30;
	}
}

static void assert_bounded(const struct law *l)
{
	const struct law_settings *s = &l->set;

	assert_true(l->memory >= s->floor && l->memory <= s->ceiling);
	assert_true(l->interval_s >= s->interval_min_s && l->interval_s <= s->interval_max_s);
	assert_true(l->reason < LAW_REASONS_N);
}

static void of_any_trace_memory_and_interval_stay_within_bounds(void **state)
{
	(void)state;
	for (int trace = 0; trace < TRACES; trace++) {
		struct law_settings s = with((enum law_scheme)(trace % 4));
		struct law l;

		s.order = (struct rls_order){ 1 + (unsigned int)trace % HY_RLS_NA_MAX,
					      (unsigned int)trace % (HY_RLS_NB_MAX + 1) };
		s.forgetting = trace % 2 ? 1 : 0.9;
		s.floor = trace % 5 ? 32 : 512;
		law_begin(&l, &s, odd_number());
		assert_bounded(&l);
		for (int i = 0; i < TRACE_STEPS; i++) {
			struct law_seen now = { odd_number(), odd_number(),
						(uint64_t)random() % 8 };

			law_decide(&l, &now);
			assert_bounded(&l);
		}
	}
}

static void other_settings_hold_at_once(void **state)
{
	struct law_settings s = usual;
	struct law l;

	(void)state;
	law_begin(&l, &usual, 500);
	(void)settle(&l, 0.1, 1, 0.1);
	s.ceiling = 64;
	s.interval_max_s = 40;
	law_change(&l, &s);
	assert_bounded(&l);
	assert_true(l.model.outputs == 1);	/* what was learnt has stayed */
	s.order.na = 2;
	law_change(&l, &s);
	assert_true(l.model.outputs == 0 && l.model.order.na == 2);
}

/* Where another had part of it, what was done is less than what was wanted. */
static void what_was_given_is_what_was_done(void **state)
{
	struct law_seen slow = { usual.tau_s * 3, 0.1, 100 };
	struct law l, other;
	double wanted;

	(void)state;
	law_begin(&l, &usual, usual.floor);
	law_given(&l, usual.floor + usual.quantum / 4);
	assert_float_equal(l.memory, usual.floor, 1e-9);	/* hardly another */
	wanted = law_decide(&l, &slow);
	assert_true(wanted > usual.floor + usual.quantum);
	other = l;
	law_given(&l, wanted);
	assert_memory_equal(&l, &other, sizeof(l));
	law_given(&l, usual.floor);
	assert_float_equal(l.memory, usual.floor, 1e-9);
	assert_float_equal(l.model.phi[l.model.order.na], 0, 1e-9);
	law_given(&l, usual.ceiling * 2);
	assert_bounded(&l);
	law_given(&l, NAN);
	assert_bounded(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_that_cannot_be_are_told),
		cmocka_unit_test(intervals_and_models_that_cannot_be_are_told),
		cmocka_unit_test(the_queues_model_is_asked_when_the_response_has_changed),
		cmocka_unit_test(the_interval_halves_and_doubles_within_its_bounds),
		cmocka_unit_test(what_is_below_the_threshold_is_not_done),
		cmocka_unit_test(too_few_jobs_decide_nothing),
		cmocka_unit_test(nothing_is_learnt_across_an_interval_without_jobs),
		cmocka_unit_test(every_reason_has_its_words),
		cmocka_unit_test(a_queue_that_is_as_the_curve_says_is_at_its_objective),
		cmocka_unit_test(what_the_curve_is_wrong_about_is_learnt),
		cmocka_unit_test(what_is_learnt_of_a_curve_goes_with_it),
		cmocka_unit_test(ours_tells_why),
		cmocka_unit_test(where_the_least_is_enough_it_is_the_floor),
		cmocka_unit_test(where_nothing_is_enough_it_is_the_ceiling),
		cmocka_unit_test(a_response_that_stays_near_is_left_alone),
		cmocka_unit_test(of_any_trace_memory_and_interval_stay_within_bounds),
		cmocka_unit_test(other_settings_hold_at_once),
		cmocka_unit_test(what_was_given_is_what_was_done),
	};

	srandom(17);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
