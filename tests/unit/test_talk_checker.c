/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_talk_checker.c - the pattern, and that no wrong byte of an answer gets past the checker
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

#include "lab/talk/asker.h"
#include "lab/talk/checker.h"
#include "lab/talk/samples.h"
#include "tests/unit/prng.h"

#define FILE_SIZE 700u

static uint8_t file[FILE_SIZE];

static const struct request sample = {
	.stream = 42, .head_bytes = 13, .file_offset = 100, .file_bytes = 555, .tail_bytes = 31,
	.upload_bytes = 1000,
};
#define TOTAL (13 + 555 + 31)

static int fill_file(void **state)
{
	uint32_t seed = 9;

	(void)state;
	prng_fill(&seed, file, sizeof(file));
	return 0;
}

/* A right answer, made in the plainest way. */
static void right_answer(uint8_t *out)
{
	pattern_fill(out, TOTAL, sample.stream, 0);
	memcpy(out + 13, file + 100, 555);
}

static void pattern_is_the_same_in_any_cut(void **state)
{
	uint8_t whole[100], part[100];

	(void)state;
	pattern_fill(whole, sizeof(whole), 5, 3);
	for (size_t from = 0; from < 20; from++) {
		for (size_t len = 0; len < 40; len++) {
			memset(part, 0, sizeof(part));
			pattern_fill(part, len, 5, 3 + from);
			assert_memory_equal(part, whole + from, len);
			assert_int_equal(part[len], 0);
		}
	}
}

static void pattern_tells_streams_and_places_apart(void **state)
{
	uint8_t a[64], b[64];

	(void)state;
	pattern_fill(a, sizeof(a), 1, 0);
	for (uint64_t pos = 1; pos < 5000; pos++) {
		pattern_fill(b, sizeof(b), 1, pos);
		assert_memory_not_equal(a, b, 8);
	}
	for (uint64_t stream = 2; stream < 5000; stream++) {
		pattern_fill(b, sizeof(b), stream, 0);
		assert_memory_not_equal(a, b, 8);
	}
}

static void pattern_check_finds_every_byte(void **state)
{
	uint8_t bytes[9000];
	uint64_t first;

	(void)state;
	pattern_fill(bytes, sizeof(bytes), 8, 1000);
	for (size_t at = 0; at < sizeof(bytes); at += 37) {
		first = PATTERN_NONE;
		bytes[at] ^= 1;
		assert_int_equal(pattern_check(bytes, sizeof(bytes), 8, 1000, &first), 1);
		assert_int_equal(first, 1000 + at);
		bytes[at] ^= 1;
	}
	first = PATTERN_NONE;
	assert_int_equal(pattern_check(bytes, sizeof(bytes), 8, 1000, &first), 0);
	assert_true(first == PATTERN_NONE);
	bytes[5] ^= 1;
	bytes[8999] ^= 1;
	assert_int_equal(pattern_check(bytes, sizeof(bytes), 8, 1000, &first), 2);
	assert_int_equal(first, 1005);
}

static void right_answer_passes_in_any_pieces(void **state)
{
	uint8_t bytes[TOTAL];
	struct checker c;
	uint32_t seed = 3;

	(void)state;
	right_answer(bytes);
	for (int round = 0; round < 200; round++) {
		checker_begin(&c, &sample, file);
		assert_int_equal(c.total, TOTAL);
		for (size_t at = 0; at < TOTAL;) {
			size_t n = 1 + prng_below(&seed, round % 2 ? 9 : 400);

			n = n < TOTAL - at ? n : TOTAL - at;
			checker_feed(&c, bytes + at, n);
			at += n;
		}
		assert_int_equal(c.pos, TOTAL);
		assert_int_equal(c.wrong, 0);
		assert_int_equal(c.extra, 0);
		assert_true(checker_upload_wrong(&c) == PATTERN_NONE);
	}
}

static void every_single_wrong_byte_is_seen(void **state)
{
	uint8_t bytes[TOTAL];
	struct checker c;

	(void)state;
	right_answer(bytes);
	for (size_t at = 0; at < TOTAL; at++) {
		bytes[at] ^= 0x80;
		checker_begin(&c, &sample, file);
		checker_feed(&c, bytes, TOTAL);
		bytes[at] ^= 0x80;
		if (at < TOTAL - REQUEST_VERDICT_BYTES) {
			assert_int_equal(c.wrong, 1);
			assert_int_equal(c.first_wrong, at);
		} else {
			assert_true(checker_upload_wrong(&c) != PATTERN_NONE);
		}
	}
}

static void lost_doubled_and_swapped_bytes_are_seen(void **state)
{
	uint8_t bytes[TOTAL + 1];
	struct checker c;

	(void)state;
	right_answer(bytes);
	checker_begin(&c, &sample, file);
	checker_feed(&c, bytes, 300);
	checker_feed(&c, bytes + 301, TOTAL - 301);
	assert_true(c.wrong > 100);
	assert_in_range(c.first_wrong, 300, 303);
	assert_int_equal(c.pos, TOTAL - 1);
	checker_begin(&c, &sample, file);
	checker_feed(&c, bytes, 300);
	checker_feed(&c, bytes + 299, TOTAL - 299);
	assert_in_range(c.first_wrong, 300, 303);
	assert_int_equal(c.extra, 1);
}

static void what_is_too_much_is_counted(void **state)
{
	uint8_t bytes[TOTAL + 10] = { 0 };
	struct checker c;

	(void)state;
	right_answer(bytes);
	checker_begin(&c, &sample, file);
	checker_feed(&c, bytes, sizeof(bytes));
	checker_feed(&c, bytes, 5);
	assert_int_equal(c.pos, TOTAL);
	assert_int_equal(c.wrong, 0);
	assert_int_equal(c.extra, 15);
}

static void verdict_names_the_place(void **state)
{
	static const uint64_t places[] = { 0, 1, 255, 256, 123456789012ull };
	uint8_t bytes[TOTAL];
	struct checker c;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		right_answer(bytes);
		for (unsigned int b = 0; b < REQUEST_VERDICT_BYTES; b++)
			bytes[TOTAL - REQUEST_VERDICT_BYTES + b] ^=
				(uint8_t)((places[i] + 1) >> (8 * b));
		checker_begin(&c, &sample, file);
		checker_feed(&c, bytes, TOTAL - 3);		/* in two pieces */
		checker_feed(&c, bytes + TOTAL - 3, 3);
		assert_int_equal(checker_upload_wrong(&c), places[i]);
		assert_int_equal(c.wrong, 0);
	}
}

static void requests_come_from_the_seed(void **state)
{
	struct asking s = { .requests = 100, .seed = 5, .file_size = FILE_SIZE,
			    .head = { 0, 100 }, .offset = { 0, 2000 }, .file_bytes = { 0, 2000 },
			    .tail = { 0, 3 }, .upload = { 0, 10 } };
	uint8_t one[REQUEST_BYTES], two[REQUEST_BYTES];
	struct request a, b;
	uint64_t before = 0;

	(void)state;
	for (uint64_t n = 0; n < 1000; n++) {
		asker_request(&s, 3, n, &a);
		asker_request(&s, 3, n, &b);
		request_encode(&a, one);
		request_encode(&b, two);
		assert_memory_equal(one, two, sizeof(one));
		assert_null(request_fault(&a, FILE_SIZE));
		assert_true(a.stream != before);
		before = a.stream;
	}
	asker_request(&s, 4, 999, &b);
	assert_true(a.stream != b.stream);
	s.whole_file = true;
	asker_request(&s, 4, 999, &b);
	assert_int_equal(b.file_offset + b.file_bytes, FILE_SIZE);
}

static void samples_are_a_fair_choice(void **state)
{
	static struct samples s;
	uint64_t late = 0;

	(void)state;
	for (uint64_t i = 0; i < 10 * TALK_SAMPLES_MAX; i++)
		samples_add(&s, i);
	assert_int_equal(s.seen, 10 * TALK_SAMPLES_MAX);
	for (unsigned int i = 0; i < TALK_SAMPLES_MAX; i++)
		late += s.us[i] >= 5 * TALK_SAMPLES_MAX;
	assert_in_range(late, TALK_SAMPLES_MAX * 4 / 10, TALK_SAMPLES_MAX * 6 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pattern_is_the_same_in_any_cut),
		cmocka_unit_test(pattern_tells_streams_and_places_apart),
		cmocka_unit_test(pattern_check_finds_every_byte),
		cmocka_unit_test(right_answer_passes_in_any_pieces),
		cmocka_unit_test(every_single_wrong_byte_is_seen),
		cmocka_unit_test(lost_doubled_and_swapped_bytes_are_seen),
		cmocka_unit_test(what_is_too_much_is_counted),
		cmocka_unit_test(verdict_names_the_place),
		cmocka_unit_test(requests_come_from_the_seed),
		cmocka_unit_test(samples_are_a_fair_choice),
	};

	return cmocka_run_group_tests(tests, fill_file, NULL);
}
