/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_owner.c - an owner is told from whoever got his process id later
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/owner.h"

static void this_process_lives(void **state)
{
	char text[HY_OWNER_TEXT_MAX];
	const char *at = text;
	struct hy_owner o;

	(void)state;
	assert_int_equal(hy_owner_self(text, NULL), 0);
	assert_true(hy_owner_take(&at, &o));
	assert_int_equal(*at, '\0');
	assert_int_equal(o.pid, getpid());
	assert_true(hy_owner_lives(&o));
}

static void another_start_is_another_process(void **state)
{
	char text[HY_OWNER_TEXT_MAX];
	const char *at = text;
	struct hy_owner o;

	(void)state;
	assert_int_equal(hy_owner_self(text, NULL), 0);
	assert_true(hy_owner_take(&at, &o));
	o.start_ticks++;
	assert_false(hy_owner_lives(&o));
	o.start_ticks = 0;
	assert_false(hy_owner_lives(&o));
}

static void one_that_was_not_waited_for_is_dead(void **state)
{
	char text[HY_OWNER_TEXT_MAX];
	const char *at = text;
	struct hy_owner o;
	siginfo_t info;
	int ends[2];
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0)
		_exit(hy_owner_self(text, NULL) == 0 &&
		      write(ends[1], text, sizeof(text)) == sizeof(text) ? 0 : 1);
	assert_int_equal(read(ends[0], text, sizeof(text)), sizeof(text));
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	assert_true(hy_owner_take(&at, &o));
	assert_false(hy_owner_lives(&o));
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_false(hy_owner_lives(&o));
	close(ends[0]);
	close(ends[1]);
}

static void what_follows_is_left(void **state)
{
	const char *text = "12-345-678";
	struct hy_owner o;

	(void)state;
	assert_true(hy_owner_take(&text, &o));
	assert_string_equal(text, "-678");
	assert_int_equal(o.pid, 12);
	assert_int_equal(o.start_ticks, 345);
}

static void other_texts_are_no_owners(void **state)
{
	static const char *const texts[] = { "", "-", "12", "12-", "-12", "x-1", "1-x", " 1-2",
					     "+1-2", "1--2", "99999999999999999999-1",
					     "1-99999999999999999999" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *text = texts[i];
		struct hy_owner o = { 7, 8 };

		assert_false(hy_owner_take(&text, &o));
		assert_ptr_equal(text, texts[i]);
		assert_int_equal(o.pid, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(this_process_lives),
		cmocka_unit_test(another_start_is_another_process),
		cmocka_unit_test(one_that_was_not_waited_for_is_dead),
		cmocka_unit_test(what_follows_is_left),
		cmocka_unit_test(other_texts_are_no_owners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
