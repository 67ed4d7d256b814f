/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_measure.c - how long jobs took between two moments, whatever a worker has written
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hylicsd/measure.h"

#define S UINT64_C(1000000)

static struct measure read_at(const char *jobs, uint64_t now_ms)
{
	struct measure m;
	json_t *o = json_object(), *guest = json_object();

	json_object_set_new(guest, "jobs", json_loads(jobs, 0, NULL));
	json_object_set_new(o, "guest", guest);
	measure_read(o, now_ms, &m);
	json_decref(o);
	return m;
}

static const struct measure begin = { .told = true, .at_ms = 10000, .since_ms = 7, .arrived = 100,
				      .finished = 90, .service_us = 50 * S, .response_us = 80 * S };

static void sums_are_read_whole_or_not_at_all(void **state)
{
	static const char *const bad[] = {
		"null", "7", "[]", "{}", "{\"arrived\":1}", "{\"arrived\":1,\"sums\":[1]}",
		"{\"arrived\":1,\"sums\":{\"since_ms\":1,\"finished\":1,\"service_us\":1}}",
		"{\"arrived\":1,\"sums\":{\"since_ms\":1,\"finished\":-1,\"service_us\":1,"
		"\"response_us\":1}}",
		"{\"arrived\":1,\"sums\":{\"since_ms\":1,\"finished\":1,\"service_us\":1.5,"
		"\"response_us\":1}}",
		"{\"arrived\":\"1\",\"sums\":{\"since_ms\":1,\"finished\":1,\"service_us\":1,"
		"\"response_us\":1}}",
	};
	struct measure m;

	(void)state;
	m = read_at("{\"arrived\":5,\"sums\":{\"since_ms\":1,\"finished\":2,\"service_us\":3,"
		    "\"response_us\":9223372036854775807}}", 77);
	assert_true(m.told && m.at_ms == 77 && m.since_ms == 1 && m.arrived == 5);
	assert_true(m.finished == 2 && m.service_us == 3 && m.response_us == INT64_MAX);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (read_at(bad[i], 1).told)
			fail_msg("'%s' is taken", bad[i]);
	measure_read(NULL, 5, &m);
	assert_false(m.told);
}

static void differences_are_of_the_time_between(void **state)
{
	struct measure end = begin;
	struct law_seen seen;
	double service_s;

	(void)state;
	end.at_ms += 4000;
	end.arrived += 8;
	end.finished += 4;
	end.service_us += 6 * S;
	end.response_us += 10 * S;
	assert_true(measure_between(&begin, &end, &seen, &service_s));
	assert_int_equal(seen.jobs, 4);
	assert_true(fabs(seen.response_s - 2.5) < 1e-9 && fabs(service_s - 1.5) < 1e-9);
	assert_true(fabs(seen.per_s - 2) < 1e-9);
	end = begin;
	end.at_ms++;
	assert_true(measure_between(&begin, &end, &seen, &service_s));
	assert_true(seen.jobs == 0 && seen.response_s <= 0 && seen.per_s <= 0);
}

static void assert_says_nothing(const struct measure *from, const struct measure *to)
{
	struct law_seen seen = { 1, 1, 1 };
	double service_s = 1;

	assert_false(measure_between(from, to, &seen, &service_s));
	assert_true(seen.jobs == 0 && seen.response_s <= 0 && seen.per_s <= 0 && service_s <= 0);
}

static void other_sums_say_nothing(void **state)
{
	struct measure end = begin, no = begin;
	uint64_t *const back[] = { &end.arrived, &end.finished, &end.service_us,
				   &end.response_us, &end.at_ms };

	(void)state;
	no.told = false;
	assert_says_nothing(&begin, &begin);		/* no time */
	end.at_ms += 1000;
	assert_says_nothing(&no, &end);
	no.at_ms += 1000;
	assert_says_nothing(&begin, &no);
	for (size_t i = 0; i < sizeof(back) / sizeof(back[0]); i++) {
		const struct measure was = end;

		*back[i] = i < 4 ? *back[i] - 1 : 9999;
		assert_says_nothing(&begin, &end);
		end = was;
	}
	end.since_ms = 8;				/* another session, with larger ones */
	end.finished = 1000;
	assert_says_nothing(&begin, &end);
}

static uint64_t odd_number(void)
{
	static const uint64_t numbers[] = { 0, 1, 90, 100, INT64_MAX, INT64_MAX - 1,
					    50 * S, 80 * S, 10001 };

	return numbers[(size_t)random() % (sizeof(numbers) / sizeof(numbers[0]))];
}

static void no_number_is_none(void **state)
{
	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct measure from = { true, odd_number(), 7, odd_number(), odd_number(),
					odd_number(), odd_number() };
		struct measure to = { true, odd_number(), 7, odd_number(), odd_number(),
				      odd_number(), odd_number() };
		struct law_seen seen;
		double service_s;

		measure_between(&from, &to, &seen, &service_s);
		assert_true(isfinite(seen.response_s) && seen.response_s >= 0);
		assert_true(isfinite(seen.per_s) && seen.per_s >= 0);
		assert_true(isfinite(service_s) && service_s >= 0);
	}
}

static bool names_are(const char *last, const char *wanted)
{
	char other[HY_NAME_MAX + 1];
	json_t *o = json_pack("{s:{s:{s:o}}}", "guest", "jobs", "last", json_loads(last, 0, NULL));
	bool are = measure_names(o, "cut", other);

	json_decref(o);
	assert_string_equal(other, wanted);
	return are;
}

static void names_of_most_jobs_count(void **state)
{
	char other[HY_NAME_MAX + 1];

	(void)state;
	assert_true(measure_names(NULL, "cut", other));
	assert_true(names_are("[]", ""));
	assert_true(names_are("{\"name\":\"bake\"}", ""));
	assert_true(names_are("[7,{},{\"name\":7}]", ""));
	assert_true(names_are("[{\"name\":\"cut\"},{\"name\":\"bake\"}]", "bake"));
	assert_false(names_are("[{\"name\":\"cut\"},{\"name\":\"bake\"},{\"name\":\"b\\u001b\"}]",
			       "b?"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_read_whole_or_not_at_all),
		cmocka_unit_test(differences_are_of_the_time_between),
		cmocka_unit_test(other_sums_say_nothing),
		cmocka_unit_test(no_number_is_none),
		cmocka_unit_test(names_of_most_jobs_count),
	};

	srandom(29);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
