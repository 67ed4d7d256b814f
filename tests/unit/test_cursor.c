/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_cursor.c - cursors stay within their bounds, fail once and for all, and check texts
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cursor.h"

static const uint8_t counting[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

static void reads_are_little_endian(void **state)
{
	struct hy_rd r = { .p = counting, .left = sizeof(counting) };

	(void)state;
	assert_int_equal(hy_rd_u8(&r), 0x01);
	assert_int_equal(hy_rd_le16(&r), 0x0302);
	assert_int_equal(hy_rd_le32(&r), 0x07060504);
	assert_int_equal(hy_rd_le64(&r), 0x0f0e0d0c0b0a0908);
	assert_int_equal(r.left, 1);
	assert_ptr_equal(hy_rd_take(&r, 1), counting + 15);
	assert_int_equal(r.left, 0);
	assert_false(r.bad);
}

static uint64_t read_number(struct hy_rd *r, size_t width)
{
	switch (width) {
	case 1:
		return hy_rd_u8(r);
	case 2:
		return hy_rd_le16(r);
	case 4:
		return hy_rd_le32(r);
	default:
		return hy_rd_le64(r);
	}
}

static void a_number_cut_short_is_zero_and_bad(void **state)
{
	(void)state;
	for (size_t width = 1; width <= 8; width *= 2) {
		for (size_t left = 0; left < width; left++) {
			struct hy_rd r = { .p = counting, .left = left };

			assert_int_equal(read_number(&r, width), 0);
			assert_true(r.bad);
			assert_ptr_equal(r.p, counting);
			assert_int_equal(r.left, left);
		}
	}
}

static void take_refuses_more_than_is_left(void **state)
{
	static const size_t too_many[] = { 17, 18, 1u << 31, SIZE_MAX - 1, SIZE_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(too_many) / sizeof(too_many[0]); i++) {
		struct hy_rd r = { .p = counting, .left = sizeof(counting) };

		assert_null(hy_rd_take(&r, too_many[i]));
		assert_true(r.bad);
		assert_int_equal(r.left, sizeof(counting));
	}
}

static void nothing_can_be_taken_at_the_end(void **state)
{
	struct hy_rd r = { .p = counting, .left = 2 };

	(void)state;
	assert_int_equal(hy_rd_le16(&r), 0x0201);
	assert_ptr_equal(hy_rd_take(&r, 0), counting + 2);
	assert_false(r.bad);
	assert_null(hy_rd_take(&r, 1));
	assert_true(r.bad);
}

static void a_bad_reader_stays_bad(void **state)
{
	struct hy_rd r = { .p = counting, .left = 4 };
	char text[8] = "before";

	(void)state;
	assert_int_equal(hy_rd_le64(&r), 0);
	for (size_t width = 1; width <= 4; width *= 2)
		assert_int_equal(read_number(&r, width), 0);
	assert_null(hy_rd_take(&r, 0));
	hy_rd_text(&r, text, sizeof(text));
	assert_string_equal(text, "");
	assert_true(r.bad);
	assert_int_equal(r.left, 4);
}

/* Reads a text out of @bytes into @out; returns whether the cursor is still good. */
static bool text_fits(const char *bytes, size_t len, char *out, size_t room)
{
	uint8_t *copy = malloc(len ? len : 1);
	struct hy_rd r = { .p = copy, .left = len };

	assert_non_null(copy);
	memcpy(copy, bytes, len);	/* of its exact size, for the address sanitizer */
	hy_rd_text(&r, out, room);
	free(copy);
	return !r.bad;
}

static void a_text_gets_its_nul(void **state)
{
	char out[4];

	(void)state;
	memset(out, 'x', sizeof(out));
	assert_true(text_fits("\0\0", 2, out, sizeof(out)));
	assert_string_equal(out, "");
	assert_true(text_fits("\3\0abc", 5, out, sizeof(out)));
	assert_string_equal(out, "abc");
	assert_true(text_fits("\1\0abc", 5, out, sizeof(out)));
	assert_string_equal(out, "a");
	assert_true(text_fits("\0\0", 2, out, 1));
}

static void a_text_that_does_not_fit_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len, room;
	} cases[] = {
		{ "\4\0abcd", 6, 4 },		/* no room for the NUL */
		{ "\1\0a", 3, 1 },
		{ "\3\0a\0b", 5, 4 },		/* a NUL inside */
		{ "\3\0ab\0", 5, 4 },
		{ "\3\0ab", 4, 4 },		/* cut short */
		{ "\xff\xff" "ab", 4, 4 },
		{ "\0", 1, 4 },
		{ "", 0, 4 },
	};
	char out[4];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(out, 'x', sizeof(out));
		assert_false(text_fits(cases[i].bytes, cases[i].len, out, cases[i].room));
		assert_string_equal(out, "");
	}
}

static void writes_are_little_endian(void **state)
{
	static const uint8_t expected[] = {
		0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04,
		0x0f, 0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08,
		0x02, 0x00, 'h', 'y', 0xaa, 0xbb,
	};
	uint8_t out[sizeof(expected)];
	struct hy_wr w = { .p = out, .left = sizeof(out) };

	(void)state;
	hy_wr_u8(&w, 0x01);
	hy_wr_le16(&w, 0x0203);
	hy_wr_le32(&w, 0x04050607);
	hy_wr_le64(&w, 0x08090a0b0c0d0e0f);
	hy_wr_text(&w, "hy");
	hy_wr_bytes(&w, "\xaa\xbb", 2);
	hy_wr_bytes(&w, NULL, 0);
	assert_false(w.bad);
	assert_int_equal(w.left, 0);
	assert_memory_equal(out, expected, sizeof(expected));
}

static void write_number(struct hy_wr *w, size_t width)
{
	switch (width) {
	case 1:
		hy_wr_u8(w, 0xff);
		break;
	case 2:
		hy_wr_le16(w, 0xffff);
		break;
	case 4:
		hy_wr_le32(w, UINT32_MAX);
		break;
	default:
		hy_wr_le64(w, UINT64_MAX);
		break;
	}
}

static void a_write_that_does_not_fit_writes_nothing_ever(void **state)
{
	(void)state;
	for (size_t width = 1; width <= 8; width *= 2) {
		for (size_t left = 0; left < width; left++) {
			uint8_t out[16] = { 0 };
			struct hy_wr w = { .p = out, .left = left };

			write_number(&w, width);
			assert_true(w.bad);
			hy_wr_u8(&w, 0xff);
			hy_wr_bytes(&w, "x", 1);
			hy_wr_text(&w, "");
			assert_int_equal(w.left, left);
			for (size_t i = 0; i < sizeof(out); i++)
				assert_int_equal(out[i], 0);
		}
	}
}

static void a_text_too_long_for_its_length_field_is_bad(void **state)
{
	static uint8_t out[UINT16_MAX + 16];
	static char text[UINT16_MAX + 2];
	struct hy_wr w = { .p = out, .left = sizeof(out) };

	(void)state;
	memset(text, 't', sizeof(text) - 1);
	hy_wr_text(&w, text + 1);	/* the longest that fits */
	assert_false(w.bad);
	assert_int_equal(w.left, 14);
	w = (struct hy_wr){ .p = out, .left = sizeof(out) };
	hy_wr_text(&w, text);
	assert_true(w.bad);
	assert_int_equal(w.left, sizeof(out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_are_little_endian),
		cmocka_unit_test(a_number_cut_short_is_zero_and_bad),
		cmocka_unit_test(take_refuses_more_than_is_left),
		cmocka_unit_test(nothing_can_be_taken_at_the_end),
		cmocka_unit_test(a_bad_reader_stays_bad),
		cmocka_unit_test(a_text_gets_its_nul),
		cmocka_unit_test(a_text_that_does_not_fit_is_refused),
		cmocka_unit_test(writes_are_little_endian),
		cmocka_unit_test(a_write_that_does_not_fit_writes_nothing_ever),
		cmocka_unit_test(a_text_too_long_for_its_length_field_is_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
