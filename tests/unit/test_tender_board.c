/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_tender_board.c - whatever a tender has put up, what is read of it can be shown
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
#include <string.h>

#include "hylicsd/tender_board.h"
#include "tests/unit/prng.h"

#define BOARDS 200

static struct tender_board board;
static struct tend_report report, read_back;

static void what_is_told_is_read(void **state)
{
	(void)state;
	memset(&report, 0, sizeof(report));
	report.limit_bytes = 64 << 20;
	report.put_out = 7;
	report.n_shown = 2;
	strcpy(report.shown[1].path, "films/seg-0041.ts");
	report.shown[1].idle_ms = 1500;
	tender_board_tell(&board, &report);
	tender_board_read(&board, &read_back);
	assert_memory_equal(&read_back, &report, sizeof(report));
	assert_int_equal(board.turn, 2);
}

static void assert_can_be_shown(const struct tend_report *r)
{
	assert_true(r->limit_bytes <= INT64_MAX && r->size_bytes <= INT64_MAX);
	assert_true(r->memory_bytes <= INT64_MAX && r->files <= INT64_MAX);
	assert_true(r->left_out <= INT64_MAX && r->put_out <= INT64_MAX);
	assert_true(r->brought_back <= INT64_MAX && r->stuck <= INT64_MAX);
	assert_true(r->put_out_bytes <= INT64_MAX && r->brought_back_bytes <= INT64_MAX);
	assert_true(r->n_shown <= HY_TEND_SHOWN_MAX);
	for (unsigned int i = 0; i < r->n_shown; i++) {
		const struct tend_file *f = &r->shown[i];

		assert_non_null(memchr(f->path, '\0', sizeof(f->path)));
		for (const char *at = f->path; *at; at++)
			assert_true(*at >= ' ' && *at <= '~');
		assert_true(f->size_bytes <= INT64_MAX && f->memory_bytes <= INT64_MAX);
		assert_true(f->idle_ms <= INT64_MAX);
	}
}

static void whatever_is_there_can_be_shown(void **state)
{
	uint32_t chance = 1;

	(void)state;
	memset(&board, 0xff, sizeof(board));
	tender_board_read(&board, &read_back);
	assert_int_equal(read_back.n_shown, HY_TEND_SHOWN_MAX);
	assert_can_be_shown(&read_back);
	for (int i = 0; i < BOARDS; i++) {
		prng_fill(&chance, (uint8_t *)&board, sizeof(board));
		tender_board_read(&board, &read_back);
		assert_can_be_shown(&read_back);
	}
}

/* One that never says it is done is not waited for. */
static void a_half_written_one_is_read_all_the_same(void **state)
{
	(void)state;
	memset(&board, 0, sizeof(board));
	board.turn = 1;
	board.report.put_out = 5;
	tender_board_read(&board, &read_back);
	assert_int_equal(read_back.put_out, 5);
	tender_board_tell(&board, &read_back);
	assert_int_equal(board.turn % 2, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_told_is_read),
		cmocka_unit_test(whatever_is_there_can_be_shown),
		cmocka_unit_test(a_half_written_one_is_read_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
