/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_moving.c - the operator's word lies in a file, whole or not at all
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/moving.h"

static char dir[] = "moving-XXXXXX";
static int at;

static int make_dir(void **state)
{
	(void)state;
	at = mkdtemp(dir) ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	return at < 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlinkat(at, "moving", 0);
	close(at);
	return rmdir(dir);		/* nothing else has been left */
}

static void put(const char *text)
{
	int fd = openat(at, "moving", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void what_is_written_is_read(void **state)
{
	struct hy_err e = { 0 };
	enum hy_moving m;

	(void)state;
	for (enum hy_moving i = HY_MOVING_ON; i <= HY_MOVING_OFF; i++) {
		assert_int_equal(hy_moving_write(at, "moving", i, &e), 0);
		m = HY_MOVING_OFF + 1;
		assert_int_equal(hy_moving_read(at, "moving", &m, &e), 0);
		assert_int_equal(m, i);
	}
}

static void what_is_no_word_changes_nothing(void **state)
{
	static const char *const wrong[] = { "", "\n", "of", "offf", "on off", "OFF",
					     "drain and much more than a word may have" };
	enum hy_moving m = HY_MOVING_DRAIN;
	struct hy_err e = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		put(wrong[i]);
		assert_int_equal(hy_moving_read(at, "moving", &m, &e), -EINVAL);
		assert_int_equal(m, HY_MOVING_DRAIN);
	}
	assert_int_equal(unlinkat(at, "moving", 0), 0);
	assert_int_equal(hy_moving_read(at, "moving", &m, &e), -ENOENT);
	assert_int_equal(symlinkat("/etc/passwd", at, "moving"), 0);
	assert_int_equal(hy_moving_read(at, "moving", &m, &e), -ELOOP);
	assert_int_equal(hy_moving_write(at, "moving", HY_MOVING_ON, &e), 0);
	assert_int_equal(hy_moving_read(at, "moving", &m, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(what_is_no_word_changes_nothing),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
