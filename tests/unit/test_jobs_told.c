/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_jobs_told.c - a guest's jobs on their way to who asks hylicsd: means, the last ones, lies
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/show.h"
#include "hylics-worker/jobs.h"
#include "hylicsd/marks.h"

#define NOW_MS 1000000u
#define WALL_MS UINT64_C(1700000000000)
#define S UINT64_C(1000000)

/* What hylicsd makes of a worker's words; the caller's. */
static json_t *shown(const char *words)
{
	json_t *from = json_loads(words, 0, NULL), *o = marks_json(from);

	json_decref(from);
	return o;
}

static void assert_shown(const char *words, const char *wanted)
{
	json_t *o = shown(words);
	char *text = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	if (wanted)
		assert_string_equal(text, wanted);
	else
		assert_null(text);
	free(text);
	json_decref(o);
}

/* What the worker writes, as hylicsd shows it; the caller's. */
static json_t *seen(const struct jobs *js, uint64_t now_ms)
{
	static char text[HY_SHOW_TEXT_MAX];
	FILE *f = fmemopen(text, sizeof(text), "w");
	json_t *from, *o;

	assert_non_null(f);
	fputs("{\"told\":1", f);
	jobs_print(js, now_ms, f);
	fputs("}", f);
	assert_int_equal(fclose(f), 0);
	from = json_loads(text, 0, NULL);
	assert_non_null(from);
	o = marks_json(json_object_get(from, "jobs"));
	json_decref(from);
	return o;
}

static struct job_record finished(uint64_t serial, uint64_t waited_us, uint64_t ran_us,
				  uint64_t ago_us)
{
	return (struct job_record){ .serial = serial, .state = JOB_EXITED, .waited_us = waited_us,
				    .ran_us = ran_us, .ago_us = ago_us, .name = "cut" };
}

static void tell_at(struct jobs *js, const struct job_record *r, uint64_t now_ms)
{
	static struct jobs_told m;
	uint8_t bytes[JOBS_MAX];

	m = (struct jobs_told){ .totals = { .arrived = r->serial }, .n = 1, .at = { *r } };
	assert_int_equal(jobs_take(js, bytes, (size_t)jobs_encode(&m, bytes, sizeof(bytes)),
				   now_ms, WALL_MS), 0);
}

static void tell(struct jobs *js, struct job_record r)
{
	tell_at(js, &r, NOW_MS);
}

static json_int_t of_minute(const struct jobs *js, uint64_t now_ms, const char *key)
{
	json_t *o = seen(js, now_ms);
	json_int_t value = json_integer_value(json_object_get(json_object_get(o, "minute"), key));

	json_decref(o);
	return value;
}

static json_int_t number(const json_t *o, const char *key)
{
	assert_true(json_is_integer(json_object_get(o, key)));
	return json_integer_value(json_object_get(o, key));
}

static void nothing_is_shown_until_something_is_told(void **state)
{
	static struct jobs js;
	uint8_t bytes[JOBS_MIN] = { 0 };
	json_t *o;

	(void)state;
	js = (struct jobs){ 0 };
	assert_null(seen(&js, NOW_MS));
	assert_int_equal(jobs_take(&js, bytes, sizeof(bytes) - 1, NOW_MS, WALL_MS), -EPROTO);
	assert_null(seen(&js, NOW_MS));
	assert_int_equal(jobs_take(&js, bytes, sizeof(bytes), NOW_MS, WALL_MS), 0);
	o = seen(&js, NOW_MS);
	for (unsigned int i = 0; i < JOBS_N_TOTALS; i++)
		assert_int_equal(number(o, jobs_total_names[i]), 0);
	assert_int_equal(json_array_size(json_object_get(o, "last")), 0);
	assert_null(json_object_get(json_object_get(o, "minute"), "service_us"));
	json_decref(o);
}

static void means_are_of_those_that_were_finished(void **state)
{
	static struct jobs js;
	struct job_record failed = finished(3, 0, 900 * S, 0), lost = finished(4, 0, 900 * S, 0);
	struct job_record killed = finished(5, 0, 900 * S, 0);

	(void)state;
	js = (struct jobs){ 0 };
	failed.code = 1;
	lost.state = JOB_LOST;
	killed.state = JOB_KILLED;
	killed.code = 9;
	tell(&js, finished(1, 2 * S, 4 * S, 0));
	tell(&js, finished(2, 4 * S, 6 * S, 30 * S));
	tell(&js, failed);
	tell(&js, lost);
	tell(&js, killed);
	assert_int_equal(of_minute(&js, NOW_MS, "finished"), 2);
	assert_int_equal(of_minute(&js, NOW_MS, "service_us"), 5 * S);
	assert_int_equal(of_minute(&js, NOW_MS, "response_us"), 8 * S);
}

static void a_minute_later_they_are_gone(void **state)
{
	static struct jobs js;
	struct job_record later = finished(4, 0, S, 0);

	(void)state;
	js = (struct jobs){ 0 };
	tell(&js, finished(1, 0, 4 * S, 0));
	tell(&js, finished(2, 0, 2 * S, 59 * S));
	tell(&js, finished(3, 0, 2 * S, 60 * S));	/* too long ago */
	tell(&js, finished(4, 0, 2 * S, HY_JOB_US_MAX));
	assert_int_equal(of_minute(&js, NOW_MS, "finished"), 2);
	assert_int_equal(of_minute(&js, NOW_MS + 1000, "finished"), 1);
	assert_int_equal(of_minute(&js, NOW_MS + 59000, "service_us"), 4 * S);
	assert_int_equal(of_minute(&js, NOW_MS + 60000, "finished"), 0);
	/* its second has the place of one a minute before */
	tell_at(&js, &later, NOW_MS + 60000);
	assert_int_equal(of_minute(&js, NOW_MS + 60000, "finished"), 1);
	assert_int_equal(of_minute(&js, NOW_MS + 60000, "service_us"), S);
}

/* A sum of a guest's numbers neither wraps nor is negative. */
static void no_number_is_too_large(void **state)
{
	static struct jobs js;
	static struct jobs_told m;
	uint8_t bytes[JOBS_MAX];
	int n;

	(void)state;
	js = (struct jobs){ 0 };
	m = (struct jobs_told){ .totals = { .arrived = INT64_MAX }, .n = HY_JOBS_BATCH_MAX };
	for (unsigned int i = 0; i < m.n; i++)
		m.at[i] = finished(i + 1, HY_JOB_US_MAX, HY_JOB_US_MAX, 0);
	n = jobs_encode(&m, bytes, sizeof(bytes));
	for (unsigned int i = 0; i < 10000; i++)
		assert_int_equal(jobs_take(&js, bytes, (size_t)n, NOW_MS, WALL_MS), 0);
	assert_int_equal(of_minute(&js, NOW_MS, "finished"), 640000);
	assert_int_equal(of_minute(&js, NOW_MS, "service_us"), HY_JOB_US_MAX);
	assert_int_equal(of_minute(&js, NOW_MS, "response_us"), 2 * HY_JOB_US_MAX);
}

static json_int_t of_sums(const struct jobs *js, const char *key)
{
	json_t *o = seen(js, NOW_MS);
	json_int_t value = number(json_object_get(o, "sums"), key);

	json_decref(o);
	return value;
}

static void sums_are_of_all_since_they_began(void **state)
{
	static struct jobs js;
	struct job_record failed = finished(3, 0, 900 * S, 0);

	(void)state;
	js = (struct jobs){ 0 };
	failed.code = 1;
	tell(&js, finished(1, 2 * S, 4 * S, 0));
	tell(&js, finished(2, 4 * S, 6 * S, HY_JOB_US_MAX));	/* not of the last minute */
	tell(&js, failed);
	assert_int_equal(of_sums(&js, "since_ms"), NOW_MS);
	assert_int_equal(of_sums(&js, "finished"), 2);
	assert_int_equal(of_sums(&js, "service_us"), 10 * S);
	assert_int_equal(of_sums(&js, "response_us"), 16 * S);
}

/* What a reader of JSON can take: they begin anew before, and say so. */
static void sums_never_wrap(void **state)
{
	static struct jobs js;
	json_int_t since = 0, response_us = 0;
	unsigned int begun = 0;

	(void)state;
	js = (struct jobs){ 0 };
	for (uint64_t i = 1; i <= 200000; i++) {
		tell(&js, finished(i, HY_JOB_US_MAX, HY_JOB_US_MAX, 0));
		if ((json_int_t)js.sums.since_ms == since) {
			assert_true((json_int_t)js.sums.response_us > response_us);
		} else {
			assert_true((json_int_t)js.sums.since_ms > since);
			begun++;
		}
		since = (json_int_t)js.sums.since_ms;
		response_us = (json_int_t)js.sums.response_us;
	}
	assert_true(begun > 1);
	assert_int_equal(of_sums(&js, "response_us"), response_us);
}

static void ages_become_times_of_our_clock(void **state)
{
	static struct jobs js;
	struct job_record r = finished(1, 3 * S, 5 * S, 7 * S);
	json_t *o, *job;

	(void)state;
	js = (struct jobs){ 0 };
	tell(&js, r);
	o = seen(&js, NOW_MS);
	job = json_array_get(json_object_get(o, "last"), 0);
	assert_int_equal(number(job, "ended_ms"), WALL_MS - 7000);
	assert_int_equal(number(job, "begun_ms"), WALL_MS - 12000);
	assert_int_equal(number(job, "arrived_ms"), WALL_MS - 15000);
	json_decref(o);
	/* no age reaches behind 1970 */
	r.ago_us = r.ran_us = r.waited_us = HY_JOB_US_MAX;
	js = (struct jobs){ 0 };
	r.serial = 2;
	uint8_t bytes[JOBS_MAX];
	struct jobs_told m = { .n = 1, .at = { r } };
	assert_int_equal(jobs_take(&js, bytes, (size_t)jobs_encode(&m, bytes, sizeof(bytes)), 5,
				   5), 0);
	assert_int_equal(js.last[0].arrived_ms, 0);
	assert_int_equal(js.last[0].ended_ms, 0);
}

static void assert_serials(const struct jobs *js, const char *wanted)
{
	char text[256] = "";
	size_t at = 0;

	for (unsigned int i = 0; i < js->n_last; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%" PRIu64, i ? " " : "",
				       js->last[i].serial);
	assert_string_equal(text, wanted);
}

static void long_ones_stay_while_short_ones_come_and_go(void **state)
{
	static struct jobs js;
	struct job_record runs = { .serial = 1, .state = JOB_RUNNING, .name = "long" };

	(void)state;
	js = (struct jobs){ 0 };
	tell(&js, runs);
	for (uint64_t i = 2; i <= 16; i++)
		tell(&js, finished(i, 0, 0, 0));
	assert_serials(&js, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16");
	tell(&js, finished(17, 0, 0, 0));
	tell(&js, finished(18, 0, 0, 0));
	assert_serials(&js, "1 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18");
	tell(&js, finished(1, 0, 0, 0));		/* it ends: told once more, as the last */
	assert_serials(&js, "4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 1");
	assert_int_equal(js.last[15].state, JOB_EXITED);
	/* nothing but long ones: the oldest of them goes */
	for (uint64_t i = 21; i <= 37; i++) {
		runs.serial = i;
		tell(&js, runs);
	}
	assert_serials(&js, "22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37");
}

static void a_worker_that_lies_about_the_form_is_not_believed(void **state)
{
	(void)state;
	assert_shown("null", NULL);
	assert_shown("[1]", NULL);
	assert_shown("{}", "{\"last\":[],\"minute\":{},\"sums\":{}}");
	assert_shown("{\"running\":-1,\"arrived\":\"3\",\"lost\":4,\"more\":5,\"minute\":[2],"
		     "\"last\":{\"0\":1}}", "{\"last\":[],\"lost\":4,\"minute\":{},\"sums\":{}}");
	assert_shown("{\"sums\":{\"finished\":3,\"since_ms\":1.5,\"service_us\":-1,\"x\":1},"
		     "\"minute\":{\"finished\":1,\"service_us\":-1,\"response_us\":2.5,\"x\":1},"
		     "\"last\":[7,{\"name\":\"a\\u001b[2J\",\"state\":[],\"code\":-9,"
		     "\"begun_ms\":3,\"more\":1}]}",
		     "{\"last\":[{},{\"begun_ms\":3,\"name\":\"a?[2J\"}],"
		     "\"minute\":{\"finished\":1},\"sums\":{\"finished\":3}}");
}

static void long_lists_and_names_are_cut(void **state)
{
	json_t *from = json_pack("{s:[]}", "last"), *o;
	char name[300];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < 1000; i++)
		json_array_append_new(json_object_get(from, "last"),
				      json_pack("{s:s}", "name", name));
	o = marks_json(from);
	json_t *last = json_object_get(o, "last");
	assert_int_equal(json_array_size(last), HY_JOBS_SHOWN_MAX);
	assert_int_equal(json_string_length(json_object_get(json_array_get(last, 0), "name")),
			 HY_NAME_MAX);
	json_decref(from);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_shown_until_something_is_told),
		cmocka_unit_test(means_are_of_those_that_were_finished),
		cmocka_unit_test(a_minute_later_they_are_gone),
		cmocka_unit_test(no_number_is_too_large),
		cmocka_unit_test(sums_are_of_all_since_they_began),
		cmocka_unit_test(sums_never_wrap),
		cmocka_unit_test(ages_become_times_of_our_clock),
		cmocka_unit_test(long_ones_stay_while_short_ones_come_and_go),
		cmocka_unit_test(a_worker_that_lies_about_the_form_is_not_believed),
		cmocka_unit_test(long_lists_and_names_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
