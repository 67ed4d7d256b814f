/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_job_msg.c - what is said of jobs, to the agent and to the host: documented bytes, refusals
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/printable.h"
#include "proto/job.h"

static const uint8_t begin_bytes[] = {
	1, 0, 24, 0, 9, 0, 0, 0, 4, 3, 2, 1, 0, 0, 0, 0, 3, 0, 'c', 'u', 't',
};
static const uint8_t end_bytes[] = {
	1, 0, 26, 0, 9, 0, 0, 0, 2, 15, 4, 3, 2, 1, 0, 0, 0, 0,
};

static const struct jobs_told told = {
	.totals = { .running = 1, .arrived = 0x0102, .finished = 3, .failed = 4, .lost = 5,
		    .dropped = 6, .untold = 7 },
	.n = 2,
	.at = { { .serial = 8, .state = JOB_RUNNING, .waited_us = 9, .ran_us = 10, .name = "a" },
		{ .serial = 11, .state = JOB_KILLED, .code = 9, .waited_us = 12, .ran_us = 13,
		  .ago_us = 14, .name = "b c" } },
};

static const uint8_t told_bytes[] = {
	1, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0,
	4, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0,
	7, 0, 0, 0, 0, 0, 0, 0, 2,
	8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 'a',
	11, 0, 0, 0, 0, 0, 0, 0, 2, 9, 12, 0, 0, 0, 0, 0, 0, 0, 13, 0, 0, 0, 0, 0, 0, 0,
	14, 0, 0, 0, 0, 0, 0, 0, 3, 0, 'b', ' ', 'c',
};

#define RUNNING_AT 57		/* of the two records */
#define KILLED_AT 94

/* Packets, and messages: in memory of their exact length; a refusal leaves the result alone. */
static int decode_begin(const uint8_t *bytes, size_t len, struct local_job_begin *m)
{
	uint8_t *copy = malloc(len);
	int rc;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	*m = (struct local_job_begin){ .waited_us = 77 };
	rc = job_decode_begin(copy, len, m);
	if (rc < 0)
		assert_int_equal(m->waited_us, 77);
	free(copy);
	return rc;
}

static int decode_end(const uint8_t *bytes, size_t len, struct local_job_end *m)
{
	uint8_t *copy = malloc(len);
	int rc;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	*m = (struct local_job_end){ .ran_us = 77 };
	rc = job_decode_end(copy, len, m);
	if (rc < 0)
		assert_int_equal(m->ran_us, 77);
	free(copy);
	return rc;
}

static int decode_told(const uint8_t *bytes, size_t len, struct jobs_told *m)
{
	uint8_t *copy = malloc(len ? len : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	*m = (struct jobs_told){ .n = 77 };
	rc = jobs_decode(copy, len, m);
	if (rc < 0)
		assert_int_equal(m->n, 77);
	free(copy);
	return rc;
}

static void packets_have_the_bytes_that_are_documented(void **state)
{
	const struct local_job_begin begin = { .waited_us = 0x01020304, .name = "cut" };
	const struct local_job_end end = { .state = JOB_KILLED, .code = 15, .ran_us = 0x01020304 };
	uint8_t out[LOCAL_PACKET_MAX];
	struct local_job_begin got_begin;
	struct local_job_end got_end;

	(void)state;
	assert_int_equal(job_encode_begin(9, &begin, out), sizeof(begin_bytes));
	assert_memory_equal(out, begin_bytes, sizeof(begin_bytes));
	assert_int_equal(decode_begin(out, sizeof(begin_bytes), &got_begin), 0);
	assert_int_equal(got_begin.waited_us, begin.waited_us);
	assert_string_equal(got_begin.name, "cut");
	assert_int_equal(job_encode_end(9, &end, out), sizeof(end_bytes));
	assert_memory_equal(out, end_bytes, sizeof(end_bytes));
	assert_int_equal(decode_end(out, sizeof(end_bytes), &got_end), 0);
	assert_int_equal(got_end.state, JOB_KILLED);
	assert_int_equal(got_end.code, 15);
	assert_int_equal(got_end.ran_us, end.ran_us);
}

static void a_message_has_the_bytes_that_are_documented(void **state)
{
	uint8_t out[JOBS_MAX];
	struct jobs_told got;

	(void)state;
	assert_int_equal(jobs_encode(&told, out, sizeof(out)), sizeof(told_bytes));
	assert_memory_equal(out, told_bytes, sizeof(told_bytes));
	assert_int_equal(decode_told(out, sizeof(told_bytes), &got), 0);
	assert_memory_equal(&got.totals, &told.totals, sizeof(got.totals));
	assert_int_equal(got.n, 2);
	assert_int_equal(got.at[0].serial, 8);
	assert_int_equal(got.at[1].ago_us, 14);
	assert_string_equal(got.at[1].name, "b c");
	assert_int_equal(jobs_encode(&got, out, sizeof(told_bytes)), sizeof(told_bytes));
	assert_memory_equal(out, told_bytes, sizeof(told_bytes));
	assert_int_equal(jobs_encode(&got, out, sizeof(told_bytes) - 1), -EMSGSIZE);
}

static void one_of_another_length_is_refused(void **state)
{
	uint8_t in[sizeof(told_bytes) + 1] = { 0 };
	struct local_job_begin begin;
	struct local_job_end end;
	struct jobs_told m;

	(void)state;
	memcpy(in, begin_bytes, sizeof(begin_bytes));
	for (size_t len = LOCAL_HEADER_LEN; len <= sizeof(begin_bytes) + 1; len++)
		assert_int_equal(decode_begin(in, len, &begin),
				 len == sizeof(begin_bytes) ? 0 : -EPROTO);
	memcpy(in, end_bytes, sizeof(end_bytes));
	for (size_t len = LOCAL_HEADER_LEN; len <= sizeof(end_bytes) + 1; len++)
		assert_int_equal(decode_end(in, len, &end),
				 len == sizeof(end_bytes) ? 0 : -EPROTO);
	memcpy(in, told_bytes, sizeof(told_bytes));
	in[sizeof(told_bytes)] = 0;
	for (size_t len = 0; len <= sizeof(in); len++)
		assert_int_equal(decode_told(in, len, &m),
				 len == sizeof(told_bytes) ? 0 : -EPROTO);
}

struct wrong {
	size_t at;
	uint8_t byte;
};

static void packets_that_make_no_sense_are_refused(void **state)
{
	static const struct wrong begins[] = {
		{ 15, 1 }, { 13, 0x1d }, { 18, 0 }, { 18, '\n' }, { 19, 0x7f }, { 20, 0xff },
	};
	static const struct wrong ends[] = {
		{ 8, JOB_RUNNING }, { 8, JOB_LOST }, { 8, JOB_STATES }, { 9, 0 }, { 9, 65 },
		{ 17, 1 }, { 17, 0x80 },
	};
	uint8_t in[sizeof(begin_bytes)];
	struct local_job_begin begin;
	struct local_job_end end;

	(void)state;
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		memcpy(in, begin_bytes, sizeof(begin_bytes));
		in[begins[i].at] = begins[i].byte;
		assert_int_equal(decode_begin(in, sizeof(begin_bytes), &begin), -EPROTO);
	}
	memcpy(in, begin_bytes, sizeof(begin_bytes));
	in[16] = 0;			/* no name */
	assert_int_equal(decode_begin(in, 18, &begin), -EPROTO);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		memcpy(in, end_bytes, sizeof(end_bytes));
		in[ends[i].at] = ends[i].byte;
		assert_int_equal(decode_end(in, sizeof(end_bytes), &end), -EPROTO);
	}
	in[8] = JOB_EXITED;
	in[17] = 0;
	for (unsigned int code = 0; code < 256; code++) {
		in[9] = (uint8_t)code;
		assert_int_equal(decode_end(in, sizeof(end_bytes), &end), 0);
	}
}

static void messages_that_make_no_sense_are_refused(void **state)
{
	static const struct wrong cases[] = {
		{ 7, 0x80 }, { 55, 0xff }, { 56, 1 }, { 56, 3 }, { 56, HY_JOBS_BATCH_MAX + 1 },
		{ RUNNING_AT, 0 },			/* no serial */
		{ RUNNING_AT + 8, JOB_STATES },
		{ RUNNING_AT + 9, 1 },			/* a code of one that runs */
		{ RUNNING_AT + 26, 1 },			/* which ended some time ago */
		{ RUNNING_AT + 36, 0x1b }, { RUNNING_AT + 34, 0 },
		{ KILLED_AT + 8, JOB_LOST }, { KILLED_AT + 9, 0 }, { KILLED_AT + 9, 65 },
		{ KILLED_AT + 17, 1 }, { KILLED_AT + 25, 1 }, { KILLED_AT + 33, 1 },
	};
	uint8_t in[sizeof(told_bytes)];
	struct jobs_told m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(in, told_bytes, sizeof(in));
		in[cases[i].at] = cases[i].byte;
		assert_int_equal(decode_told(in, sizeof(in), &m), -EPROTO);
	}
}

/* Also to the microsecond, and to the letter. */
static void the_longest_fits_to_the_byte(void **state)
{
	struct jobs_told m = { .n = HY_JOBS_BATCH_MAX }, got;
	uint8_t out[JOBS_MAX + 1];

	(void)state;
	for (unsigned int i = 0; i < m.n; i++) {
		m.at[i] = (struct job_record){ .serial = UINT64_MAX, .state = JOB_EXITED,
					       .code = 255, .waited_us = HY_JOB_US_MAX,
					       .ran_us = HY_JOB_US_MAX, .ago_us = HY_JOB_US_MAX };
		memset(m.at[i].name, '~', HY_NAME_MAX);
	}
	assert_int_equal(jobs_encode(&m, out, sizeof(out)), JOBS_MAX);
	assert_int_equal(decode_told(out, JOBS_MAX, &got), 0);
	assert_int_equal(strlen(got.at[63].name), HY_NAME_MAX);
	m.at[63].ran_us++;
	assert_int_equal(jobs_encode(&m, out, sizeof(out)), JOBS_MAX);
	assert_int_equal(decode_told(out, JOBS_MAX, &got), -EPROTO);
	m.n = 0;
	assert_int_equal(jobs_encode(&m, out, sizeof(out)), JOBS_MIN);
	assert_int_equal(decode_told(out, JOBS_MIN, &got), 0);
}

static void names_of_states_and_totals_are_there(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < JOB_STATES; i++)
		assert_non_null(job_state_name(i));
	for (unsigned int i = 0; i < JOBS_N_TOTALS; i++)
		assert_non_null(jobs_total_names[i]);
	assert_null(jobs_total_names[JOBS_N_TOTALS]);
}

static void a_name_is_made_printable_and_cut(void **state)
{
	char to[8];

	(void)state;
	hy_copy_printable(to, sizeof(to), "a\nb\x7f\xff ~z9");
	assert_string_equal(to, "a?b?? ~");
	assert_true(hy_is_printable(to) && hy_is_printable(""));
	assert_false(hy_is_printable("a\x1b"));
	hy_copy_printable(to, 1, "abc");
	assert_string_equal(to, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_have_the_bytes_that_are_documented),
		cmocka_unit_test(a_message_has_the_bytes_that_are_documented),
		cmocka_unit_test(one_of_another_length_is_refused),
		cmocka_unit_test(packets_that_make_no_sense_are_refused),
		cmocka_unit_test(messages_that_make_no_sense_are_refused),
		cmocka_unit_test(the_longest_fits_to_the_byte),
		cmocka_unit_test(names_of_states_and_totals_are_there),
		cmocka_unit_test(a_name_is_made_printable_and_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
