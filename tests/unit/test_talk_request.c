/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_talk_request.c - requests of hylics-talk as bytes, their limits, the parts of an answer
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lab/talk/range.h"
#include "lab/talk/request.h"
#include "lab/talk/talk_limits.h"

#define FILE_SIZE 1000u

static const struct request sample = {
	.stream = 0x1122334455667788, .head_bytes = 10, .file_offset = 100, .file_bytes = 900,
	.tail_bytes = 20, .upload_bytes = 5, .slice_bytes = 300,
	.flags = REQUEST_UPLOAD_DURING | REQUEST_CLOSE,
};

static void bytes_are_what_the_header_says(void **state)
{
	static const uint8_t begin[] = { 'T', 'A', 'L', 'K', 1, 0, 0, 0,
					 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 10 };
	uint8_t bytes[REQUEST_BYTES];

	(void)state;
	request_encode(&sample, bytes);
	assert_memory_equal(bytes, begin, sizeof(begin));
	assert_int_equal(bytes[REQUEST_BYTES - 8], REQUEST_UPLOAD_DURING | REQUEST_CLOSE);
}

static void what_is_written_is_read(void **state)
{
	uint8_t bytes[REQUEST_BYTES];
	struct request got;

	(void)state;
	request_encode(&sample, bytes);
	assert_null(request_decode(&got, bytes, FILE_SIZE));
	assert_int_equal(got.stream, sample.stream);
	assert_int_equal(got.head_bytes, 10);
	assert_int_equal(got.file_offset, 100);
	assert_int_equal(got.file_bytes, 900);
	assert_int_equal(got.tail_bytes, 20);
	assert_int_equal(got.upload_bytes, 5);
	assert_int_equal(got.slice_bytes, 300);
	assert_int_equal(got.flags, sample.flags);
}

static void what_is_no_request_is_refused(void **state)
{
	/* magic, version, flags that nobody knows, what must be zero */
	static const size_t places[] = { 0, 3, 4, 7, REQUEST_BYTES - 6, REQUEST_BYTES - 1 };
	uint8_t bytes[REQUEST_BYTES];
	struct request got = { .stream = 7 };

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		request_encode(&sample, bytes);
		bytes[places[i]] ^= 0x40;
		assert_non_null(request_decode(&got, bytes, FILE_SIZE));
		assert_int_equal(got.stream, 7);
	}
}

static void fault_of(const struct request *r, const char *part)
{
	const char *fault = request_fault(r, FILE_SIZE);

	assert_non_null(fault);
	assert_non_null(strstr(fault, part));
}

static void limits_are_kept(void **state)
{
	struct request r = sample;

	(void)state;
	assert_null(request_fault(&r, FILE_SIZE));
	r.file_bytes = 901;
	fault_of(&r, "end of the file");
	r.file_bytes = UINT64_MAX - 50;		/* with the offset it comes around to a small one */
	r.head_bytes = 0;
	fault_of(&r, "too many");
	r.file_bytes = 0;
	r.file_offset = FILE_SIZE;
	assert_null(request_fault(&r, FILE_SIZE));
	r.file_offset = FILE_SIZE + 1;
	fault_of(&r, "end of the file");
	r = sample;
	r.upload_bytes = TALK_PART_MAX + 1;
	fault_of(&r, "too many");
	r = sample;
	r.tail_bytes = 7;
	fault_of(&r, "tail");
	r.upload_bytes = 0;
	assert_null(request_fault(&r, FILE_SIZE));
}

static void parts_follow_each_other(void **state)
{
	static const struct {
		uint64_t pos, left;
		enum request_part part;
	} rows[] = {
		{ 0, 10, PART_HEAD }, { 9, 1, PART_HEAD }, { 10, 900, PART_FILE },
		{ 909, 1, PART_FILE }, { 910, 12, PART_TAIL }, { 921, 1, PART_TAIL },
		{ 922, 8, PART_VERDICT }, { 929, 1, PART_VERDICT }, { 930, 0, PART_END },
		{ UINT64_MAX, 0, PART_END },
	};
	struct request r = sample;
	uint64_t left;

	(void)state;
	assert_int_equal(request_total(&sample), 930);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(request_part(&sample, rows[i].pos, &left), rows[i].part);
		assert_int_equal(left, rows[i].left);
	}
	r.upload_bytes = 0;		/* then nothing is said about it */
	assert_int_equal(request_part(&r, 922, &left), PART_TAIL);
	assert_int_equal(left, 8);
	r.head_bytes = r.file_bytes = 0;
	assert_int_equal(request_part(&r, 0, &left), PART_TAIL);
}

static void ranges_are_read(void **state)
{
	static const char *const bad[] = {
		"", "-", "1-", "-1", "2-1", "1-2-3", "x", "2T", "0-2T",
		"11111111111111111111111111111111111111111-2",
	};
	struct range r;
	struct hy_err e = { .num = 0 };

	(void)state;
	assert_int_equal(range_parse(&r, "4K", "--head", &e), 0);
	assert_true(r.low == 4096 && r.high == 4096);
	assert_int_equal(range_parse(&r, "1-2M", "--head", &e), 0);
	assert_true(r.low == 1 && r.high == 2 << 20);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(range_parse(&r, bad[i], "--head", &e), -EINVAL);
		assert_string_equal(e.field, "--head");
	}
	assert_true(r.low == 1 && r.high == 2 << 20);
}

static void ranges_are_drawn_from_end_to_end(void **state)
{
	const struct range one = { 5, 5 }, some = { 10, 13 };
	unsigned int seen = 0;

	(void)state;
	for (uint64_t chance = 0; chance < 100; chance++) {
		uint64_t v = range_draw(&some, chance);

		assert_int_equal(range_draw(&one, chance), 5);
		assert_in_range(v, 10, 13);
		seen |= 1u << (v - 10);
	}
	assert_int_equal(seen, 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_what_the_header_says),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(what_is_no_request_is_refused),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(parts_follow_each_other),
		cmocka_unit_test(ranges_are_read),
		cmocka_unit_test(ranges_are_drawn_from_end_to_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
