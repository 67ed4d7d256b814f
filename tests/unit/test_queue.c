/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_queue.c - response times of a queue, and the memory for one
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

#include "control/queue.h"

/* The Hylics paper's: 3.32 s in memory, 4.02 s on disk, an objective of 10 s. */
#define FAST_S 3.32
#define SLOW_S 4.02
#define TAU_S 10
#define EVERY_8_S (1.0 / 8)
#define EVERY_4_S (1.0 / 4)

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-6 * (1 + fabs(b));
}

static void a_queue_answers_as_the_formula_says(void **state)
{
	(void)state;
	assert_true(near(queue_response(0, SLOW_S), SLOW_S));
	assert_true(near(queue_response(EVERY_8_S, SLOW_S), SLOW_S / (1 - SLOW_S / 8)));
	assert_true(isinf(queue_response(EVERY_4_S, 4)) && isinf(queue_response(1, 3)));
	for (int i = 0; i < 20; i++)
		assert_true(near(queue_response(i / 10.0, queue_service(i / 10.0, TAU_S)), TAU_S));
}

/* From 400 MB on everything is in memory, in the paper's own measure. */
static struct curve papers(void)
{
	const struct curve_point at[] = { { 0, SLOW_S }, { 50, 3.75 }, { 100, 3.6 }, { 200, 3.45 },
					  { 400, FAST_S } };
	struct curve c;

	assert_int_equal(curve_fit(at, 5, &c), 0);
	return c;
}

static void the_papers_own_loads_lie_at_the_rails(void **state)
{
	struct curve c = papers();
	enum queue_rail rail;

	(void)state;
	assert_true(near(queue_memory(&c, EVERY_8_S, TAU_S, 16, 400, &rail), 16));
	assert_int_equal(rail, QUEUE_FLOOR);
	assert_true(near(queue_memory(&c, EVERY_4_S, TAU_S, 16, 400, &rail), 400));
	assert_int_equal(rail, QUEUE_CEILING);
}

static void in_between_the_response_is_the_objective(void **state)
{
	const struct curve c = { .a = 2, .b = 200, .c = 50 };
	enum queue_rail rail;
	int inside = 0;

	(void)state;
	for (int percent = 1; percent < 40; percent++) {
		double per_s = percent / 100.0;
		double m = queue_memory(&c, per_s, TAU_S, 16, 400, &rail);

		assert_true(m >= 16 && m <= 400);
		if (rail != QUEUE_INSIDE)
			continue;
		inside++;
		assert_true(near(queue_response(per_s, curve_at(&c, m)), TAU_S));
	}
	assert_true(inside > 5);
}

static void what_is_no_number_is_the_ceiling(void **state)
{
	const struct curve c = { .a = 2, .b = 200, .c = 50 }, bad = { .a = NAN, .b = 1, .c = 1 },
			   worse = { .a = 1, .b = NAN, .c = 1 };
	enum queue_rail rail;

	(void)state;
	assert_true(near(queue_memory(&c, NAN, TAU_S, 16, 400, &rail), 400));
	assert_true(near(queue_memory(&c, 1, NAN, 16, 400, &rail), 400));
	assert_true(near(queue_memory(&bad, 0.1, TAU_S, 16, 400, &rail), 400));
	assert_int_equal(rail, QUEUE_CEILING);
	assert_true(near(queue_memory(&worse, 0.1, TAU_S, 16, 400, &rail), 400));
	assert_true(near(queue_memory(&c, INFINITY, TAU_S, 16, 400, &rail), 400));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_queue_answers_as_the_formula_says),
		cmocka_unit_test(the_papers_own_loads_lie_at_the_rails),
		cmocka_unit_test(in_between_the_response_is_the_objective),
		cmocka_unit_test(what_is_no_number_is_the_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
