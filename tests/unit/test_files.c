/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_files.c - the files a tender knows: so many at most, and of more those that were used last
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hylicsd/files.h"
#include "tests/unit/prng.h"

#define INODES (3 * HY_TEND_FILES_MAX)
#define STEPS 50000

static struct files f;

static void one_is_known_until_it_is_dropped(void **state)
{
	struct files_row *row;

	(void)state;
	files_open(&f);
	assert_null(files_find(&f, 7));
	row = files_add(&f, 7, 100);
	assert_non_null(row);
	assert_ptr_equal(files_find(&f, 7), row);
	assert_true(row->used_ms == 100 && row->size_bytes == 0 && row->path[0] == '\0');
	row->again_ms = 5;
	files_use(&f, row, 50);
	assert_true(row->used_ms == 100 && row->again_ms == 5);
	files_use(&f, row, 150);
	assert_true(row->used_ms == 150 && row->again_ms == 0);
	files_drop(&f, row);
	assert_null(files_find(&f, 7));
	assert_int_equal(f.n, 0);
	assert_true(TAILQ_EMPTY(&f.order));
}

static void the_oldest_makes_room(void **state)
{
	(void)state;
	files_open(&f);
	for (uint64_t i = 1; i <= HY_TEND_FILES_MAX; i++)
		assert_non_null(files_add(&f, i, 1000 + i));
	assert_false(files_would_add(&f, 1001));
	assert_null(files_add(&f, 99999, 1001));
	assert_non_null(files_find(&f, 1));
	assert_true(files_would_add(&f, 1002));
	assert_non_null(files_add(&f, 99999, 1002));
	assert_null(files_find(&f, 1));
	assert_non_null(files_find(&f, 2));
	assert_int_equal(f.n, HY_TEND_FILES_MAX);
}

/* -- against a plain list of when each file was used; 0: it is not known -- */

static uint64_t known[INODES + 1];

static unsigned int n_known(void)
{
	unsigned int n = 0;

	for (unsigned int i = 1; i <= INODES; i++)
		n += known[i] != 0;
	return n;
}

static unsigned int oldest_known(void)
{
	unsigned int oldest = 0;

	for (unsigned int i = 1; i <= INODES; i++)
		if (known[i] && (!oldest || known[i] < known[oldest]))
			oldest = i;
	return oldest;
}

static void compare(void)
{
	const struct files_row *row = TAILQ_FIRST(&f.order);
	uint64_t last = 0;
	unsigned int n = 0;

	for (; row; row = TAILQ_NEXT(row, order)) {
		assert_true(row->used_ms >= last);
		last = row->used_ms;
		assert_true(known[row->ino] == row->used_ms);
		assert_ptr_equal(files_find(&f, row->ino), row);
		n++;
	}
	assert_int_equal(n, f.n);
	assert_int_equal(n, n_known());
	assert_true(n <= HY_TEND_FILES_MAX);
}

static void use(uint32_t ino, uint64_t when)
{
	struct files_row *row = files_find(&f, ino);
	unsigned int oldest;

	assert_int_equal(row != NULL, known[ino] != 0);
	if (row) {
		files_use(&f, row, when);
		known[ino] = when > known[ino] ? when : known[ino];
		return;
	}
	row = files_add(&f, ino, when);
	if (!row) {
		assert_int_equal(n_known(), HY_TEND_FILES_MAX);
		assert_true(known[oldest_known()] >= when);
		return;
	}
	known[ino] = when;
	if (files_find(&f, ino) == row && n_known() <= HY_TEND_FILES_MAX)
		return;
	known[ino] = 0;
	oldest = oldest_known();
	assert_null(files_find(&f, oldest));
	known[oldest] = 0;
	known[ino] = when;
}

/* Uses, some told late, and files that go: what is known is what was used last. */
static void those_used_last_stay(void **state)
{
	uint32_t seed = 4711;

	(void)state;
	files_open(&f);
	memset(known, 0, sizeof(known));
	for (uint64_t step = 1; step <= STEPS; step++) {
		uint32_t ino = 1 + prng_below(&seed, INODES), kind = prng_below(&seed, 16);
		uint64_t now = step * STEPS;

		if (kind == 0 && known[ino]) {
			files_drop(&f, files_find(&f, ino));
			known[ino] = 0;
		} else if (kind <= 2) {
			/* no two are the same */
			use(ino, now - (uint64_t)prng_below(&seed, (uint32_t)step) * STEPS + step);
		} else {
			use(ino, now);
		}
		if (step % 5000 == 0)
			compare();
	}
}

static void next_is(const char *path, unsigned int step, const char *expected)
{
	char to[HY_PATH_MAX + 1] = "none";

	assert_int_equal(files_next_name(path, step, to), strcmp(expected, "none") != 0);
	assert_string_equal(to, expected);
}

static void names_follow_by_number(void **state)
{
	char longest[HY_PATH_MAX + 1];

	(void)state;
	next_is("seg-0041.ts", 1, "seg-0042.ts");
	next_is("seg-0041.ts", 2, "seg-0043.ts");
	next_is("a/b2/seg-0099.ts", 1, "a/b2/seg-0100.ts");
	next_is("seg-9.ts", 1, "seg-10.ts");
	next_is("seg-000.ts", 1, "seg-001.ts");
	next_is("video1.mp4", 1, "video2.mp4");
	next_is("video.mp4", 1, "none");
	next_is("v1-part3-x.mp4", 1, "v1-part4-x.mp4");
	next_is("archive.tar.009", 2, "archive.tar.011");
	next_is("7", 1, "8");
	next_is("d7/name", 1, "none");
	next_is(".7", 1, ".8");
	next_is("7.", 1, "8.");
	next_is("", 1, "none");
	next_is("d/", 1, "none");
	next_is("\xff\n1", 1, "\xff\n2");
	next_is("999999999999999999", 1, "1000000000000000000");
	next_is("1999999999999999999", 1, "none");
	memset(longest, '9', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	next_is(longest, 1, "none");
	memset(longest, 'x', sizeof(longest) - 2);
	longest[sizeof(longest) - 3] = '8';
	longest[sizeof(longest) - 2] = 'x';
	assert_true(files_next_name(longest, 1, (char[HY_PATH_MAX + 1]){ 0 }));
	longest[sizeof(longest) - 3] = '9';
	assert_false(files_next_name(longest, 1, (char[HY_PATH_MAX + 1]){ 0 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_is_known_until_it_is_dropped),
		cmocka_unit_test(the_oldest_makes_room),
		cmocka_unit_test(those_used_last_stay),
		cmocka_unit_test(names_follow_by_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
