/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_decide.c - how much memory a VM wants: settings of its record, models, intervals
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hylicsd/decide.h"

#define MB (UINT64_C(1) << 20)
#define FILE_NAME "decide-model"

static const struct hy_log quiet = { .program = "test", .level = HY_LOG_ERR };

static struct record web(void)
{
	struct record r;

	assert_int_equal(record_init(&r, "web1", NULL), 0);
	r.uid = 100000;
	r.size = 256 * MB;
	r.control = RECORD_CONTROL_DYNAMIC;
	r.slo_ms = 1000;
	assert_int_equal(record_check(&r, NULL), 0);
	return r;
}

/* One whose file has such a curve; written where the test runs. */
static struct record with_model(double a, double b)
{
	char cwd[HY_PATH_MAX - sizeof(FILE_NAME)];
	struct record r = web();
	FILE *f = fopen(FILE_NAME, "we");

	assert_non_null(f);
	fprintf(f, "[model]\njob = cut\na = %f\nb = %f\nc = 0\nr2 = 1\nfrom = 16\nto = 256\n"
		"runs = 9\nna = 2\nnb = 1\nversion = 1\n", a, b);
	assert_int_equal(fclose(f), 0);
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	snprintf(r.model, sizeof(r.model), "%s/" FILE_NAME, cwd);
	return r;
}

/* Jobs that took so long since the last time. */
static void jobs_take(struct decide *d, uint64_t n, uint64_t us, uint64_t bytes, uint64_t now_ms)
{
	static json_int_t finished, response_us;
	json_t *o;

	finished += (json_int_t)n;
	response_us += (json_int_t)(n * us);
	o = json_pack("{s:{s:{s:I, s:{s:i, s:I, s:I, s:I}}}}", "guest", "jobs", "arrived", finished,
		      "sums", "since_ms", 1, "finished", finished, "service_us", response_us,
		      "response_us", response_us);
	assert_non_null(o);
	if (n)
		decide_now(d, o, bytes, now_ms);
	else
		decide_look(d, o, now_ms);
	json_decref(o);
}

static struct decide begun(const struct record *r, uint64_t bytes)
{
	struct decide d = { .wanted = bytes };

	decide_begin(&d, r, bytes, 1000, &quiet);
	jobs_take(&d, 0, 0, bytes, 1000);
	return d;
}

static void assert_code(const struct decide *d, const char *wanted)
{
	char code[DECIDE_CODE_MAX];

	decide_code(d, code);
	assert_string_equal(code, wanted);
}

static void settings_are_the_records(void **state)
{
	struct record r = web();
	struct decide d;

	(void)state;
	r.memory = 132 * MB;
	r.memory_min = 32 * MB;
	r.slo_ms = 500;
	d = begun(&r, 100 * MB);
	assert_true(d.by_law && d.law.set.scheme == LAW_OURS);
	assert_float_equal(d.law.set.tau_s, 0.5, 1e-9);
	assert_float_equal(d.law.set.response_step_s, 0.1, 1e-9);
	assert_float_equal(d.law.set.floor, 32, 1e-9);
	assert_float_equal(d.law.set.ceiling, 132, 1e-9);
	assert_float_equal(d.law.set.memory_step, 1, 1e-9);
	assert_float_equal(d.law.memory, 100, 1e-9);
	assert_int_equal(d.due_ms, 31000);
	assert_code(&d, "none");
}

static void a_slow_vm_wants_more_and_a_fast_one_less(void **state)
{
	const struct record r = web();
	struct decide d = begun(&r, 100 * MB);

	(void)state;
	jobs_take(&d, 5, 3000000, 100 * MB, 31000);
	assert_true(d.wanted > 100 * MB && d.wanted <= 256 * MB);
	assert_code(&d, "overloaded");
	assert_int_equal(d.due_ms, 31000 + d.interval_ms);
	assert_float_equal(d.seen.response_s, 3, 1e-9);
	d = begun(&r, 100 * MB);
	jobs_take(&d, 5, 1000, 100 * MB, 31000);
	assert_true(d.wanted < 100 * MB && d.wanted >= 32 * MB);
}

static void few_jobs_leave_the_claim_as_it_is(void **state)
{
	const struct record r = web();
	struct decide d = begun(&r, 100 * MB);

	(void)state;
	d.wanted = 200 * MB;
	jobs_take(&d, 2, 3000000, 100 * MB, 31000);
	assert_code(&d, "few-jobs");
	assert_int_equal(d.wanted, 200 * MB);
	decide_now(&d, NULL, 100 * MB, 61000);
	assert_code(&d, "few-jobs");
	assert_int_equal(d.wanted, 200 * MB);
	jobs_take(&d, 9, 3000000, 100 * MB, 91000);	/* nobody knows since when */
	assert_code(&d, "few-jobs");
	assert_int_equal(d.decisions, 3);
}

static void what_is_given_and_not_what_was_wanted_is_the_base(void **state)
{
	struct record r = web();
	struct decide d;

	(void)state;
	r.scheme = RECORD_SCHEME_ADAPTIVE;
	d = begun(&r, 100 * MB);
	jobs_take(&d, 5, 3000000, 100 * MB, 31000);
	assert_true(d.wanted > 110 * MB);
	jobs_take(&d, 5, 1000500, 40 * MB, 61000);	/* as wanted: what it has is enough */
	assert_true(d.wanted >= 32 * MB && d.wanted <= 60 * MB);
}

static void a_model_is_heeded(void **state)
{
	struct record r = with_model(0.1, 20);
	struct decide d = begun(&r, 256 * MB);

	(void)state;
	assert_true(d.has_model && !d.is_hopeless && d.law.set.scheme == LAW_OURS);
	assert_int_equal(d.law.set.order.na, 2);
	r.scheme = RECORD_SCHEME_QUEUE;
	d = begun(&r, 256 * MB);
	jobs_take(&d, 3, 300000, 256 * MB, 31000);
	assert_code(&d, "queue");
	assert_true(d.wanted >= 32 * MB && d.wanted < 64 * MB);
	r.scheme = RECORD_SCHEME_ADAPTIVE;
	d = begun(&r, 256 * MB);
	assert_true(d.has_model && d.law.set.scheme == LAW_ADAPTIVE);
	unlink(FILE_NAME);
}

static void one_that_says_there_is_no_hope_gives_all(void **state)
{
	struct record r = with_model(5, 20);
	struct decide d;

	(void)state;
	r.scheme = RECORD_SCHEME_QUEUE;
	d = begun(&r, 64 * MB);
	assert_true(d.is_hopeless);
	jobs_take(&d, 3, 6000000, 64 * MB, 31000);
	assert_int_equal(d.wanted, 256 * MB);
	unlink(FILE_NAME);
}

static void without_its_model_a_vm_goes_on(void **state)
{
	struct record r = with_model(0.1, 20);
	struct decide d;

	(void)state;
	unlink(FILE_NAME);
	d = begun(&r, 64 * MB);			/* "ours" */
	assert_true(d.by_law && !d.has_model && d.no_model.num);
	assert_int_equal(d.law.set.scheme, LAW_OURS);
	r.scheme = RECORD_SCHEME_BOTH;
	d = begun(&r, 64 * MB);
	assert_false(d.by_law);
	assert_int_equal(d.wanted, 256 * MB);
	assert_code(&d, "no-model");
	assert_non_null(strstr(decide_reason(&d), "at the most"));
	decide_now(&d, NULL, 64 * MB, 31000);
	assert_int_equal(d.wanted, 256 * MB);
	assert_int_equal(d.due_ms, 31000 + r.interval_max_ms);
	/* another one comes */
	r = with_model(0.1, 20);
	r.scheme = RECORD_SCHEME_BOTH;
	decide_begin(&d, &r, 256 * MB, 40000, &quiet);
	assert_true(d.by_law && d.has_model && !d.no_model.num);
	unlink(FILE_NAME);
}

static void other_settings_hold_and_nothing_is_forgotten(void **state)
{
	struct record r = web();
	struct decide d;

	(void)state;
	r.scheme = RECORD_SCHEME_ADAPTIVE;
	d = begun(&r, 100 * MB);
	jobs_take(&d, 5, 3000000, 100 * MB, 31000);
	jobs_take(&d, 5, 2000000, 110 * MB, 61000);
	r.memory = 64 * MB;
	r.interval_max_ms = r.interval_min_ms = 1000;
	decide_begin(&d, &r, 110 * MB, 62000, &quiet);
	assert_int_equal(d.wanted, 64 * MB);
	assert_true(d.law.decisions == 2 && d.law.model.outputs == 1);
	assert_int_equal(d.due_ms, 63000);	/* not at the end of the long one */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_are_the_records),
		cmocka_unit_test(a_slow_vm_wants_more_and_a_fast_one_less),
		cmocka_unit_test(few_jobs_leave_the_claim_as_it_is),
		cmocka_unit_test(what_is_given_and_not_what_was_wanted_is_the_base),
		cmocka_unit_test(a_model_is_heeded),
		cmocka_unit_test(one_that_says_there_is_no_hope_gives_all),
		cmocka_unit_test(without_its_model_a_vm_goes_on),
		cmocka_unit_test(other_settings_hold_and_nothing_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
