/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_ids.c - rows are found by any numbers, also by those that share a bucket
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hylics-worker/ids.h"
#include "tests/unit/prng.h"

#define ROWS 64u

static struct ids open_ids(void)
{
	struct hy_err e = { 0 };
	struct ids x;

	assert_int_equal(ids_open(&x, ROWS, &e), 0);
	return x;
}

static void every_row_is_found_and_no_other(void **state)
{
	struct ids x = open_ids();
	uint32_t id[ROWS];

	(void)state;
	for (uint32_t row = 0; row < ROWS; row++) {
		id[row] = row % 2 ? UINT32_MAX - row : row << 26;
		assert_int_equal(ids_find(&x, id[row]), IDS_NONE);
		ids_add(&x, id[row], row);
	}
	for (uint32_t row = 0; row < ROWS; row++)
		assert_int_equal(ids_find(&x, id[row]), row);
	assert_int_equal(ids_find(&x, 12345), IDS_NONE);
	ids_close(&x);
}

/* One bucket for all: the chain has to be right in every order of removals. */
static void rows_that_share_a_bucket_are_told_apart(void **state)
{
	struct ids x = open_ids();
	uint32_t random = 7;
	uint8_t there[ROWS] = { 0 };

	(void)state;
	x.factor = 0;
	for (int i = 0; i < 10000; i++) {
		uint32_t row = prng_next(&random) % ROWS;

		if (there[row])
			ids_remove(&x, row + 1000);
		else
			ids_add(&x, row + 1000, row);
		there[row] = !there[row];
		for (uint32_t r = 0; r < ROWS; r++)
			assert_int_equal(ids_find(&x, r + 1000), there[r] ? r : IDS_NONE);
	}
	ids_remove(&x, 5);		/* never there: nothing happens */
	ids_close(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_found_and_no_other),
		cmocka_unit_test(rows_that_share_a_bucket_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
