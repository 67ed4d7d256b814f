/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_words.c - the words of a command, and what is told of mistakes
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

#include "conf/words.h"

static const char *const values[WORDS_VALUES] = { "8080", "/share", "/run/module", "web1" };

static void words_are_made(void **state)
{
	static const struct {
		const char *command;
		const char *word[8];
	} cases[] = {
		{ "/bin/a", { "/bin/a" } },
		{ "  /bin/a  \t b ", { "/bin/a", "b" } },
		{ "/bin/a \"b c\" d", { "/bin/a", "b c", "d" } },
		{ "/bin/a b\" \"c", { "/bin/a", "b c" } },
		{ "/bin/a \"\" b", { "/bin/a", "", "b" } },
		{ "/bin/a \"\\\"\" \"\\\\\"", { "/bin/a", "\"", "\\" } },
		{ "\"/opt/a b\" c", { "/opt/a b", "c" } },
		/* no shell: these are letters */
		{ "/bin/a 'b c' *.x ~ `d` | > & ; #e \\", { "/bin/a", "'b", "c'", "*.x", "~", "`d`",
							   "|" } },
		{ "/bin/a -p ${port} x=${share}/y", { "/bin/a", "-p", "8080", "x=/share/y" } },
		{ "/bin/a \"${run} ${vm}\" $$ $${port}", { "/bin/a", "/run/module web1", "$",
							  "${port}" } },
	};
	struct words w;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(words_fill(cases[i].command, values, &w, NULL), 0);
		for (unsigned int k = 0; k < 8 && cases[i].word[k]; k++) {
			assert_true(k < w.n);
			assert_string_equal(w.at[k], cases[i].word[k]);
		}
		assert_null(w.at[w.n]);
	}
	assert_int_equal(words_fill(cases[0].command, values, &w, NULL), 0);
	assert_int_equal(w.n, 1);
}

/* Whatever stands in for ${share} makes one word of it, and no ${...} of its own. */
static void a_value_stays_in_its_word(void **state)
{
	static const char *const hostile[WORDS_VALUES] = {
		"1", "a b\" \\ ${port} $(c) \n", "", "",
	};
	struct words w;

	(void)state;
	assert_int_equal(words_fill("/bin/a -r ${share} -p${port}${run}", hostile, &w, NULL), 0);
	assert_int_equal(w.n, 4);
	assert_string_equal(w.at[2], hostile[WORDS_SHARE]);
	assert_string_equal(w.at[3], "-p1");
}

static void mistakes_are_told_with_their_column(void **state)
{
	static const struct {
		const char *command, *why;
	} cases[] = {
		{ "", "column 1: the program must be an absolute path" },
		{ "   ", "column 1: the program must be" },
		{ "a b", "column 1: the program must be" },
		{ "\"\" /bin/a", "column 1: the program must be" },
		{ "/bin/a \"b c", "column 8: a quote without its end" },
		{ "/bin/a b\"c\" \"", "column 13: a quote without its end" },
		{ "/bin/a \"\\n\"", "column 9: '\\' between quotes" },
		{ "/bin/a \"\\", "column 9: '\\' between quotes" },
		{ "/bin/a $port", "column 8: '$' must begin" },
		{ "/bin/a ${ports}", "column 8: '$' must begin" },
		{ "/bin/a ${port", "column 8: '$' must begin" },
		{ "/bin/a x$", "column 9: '$' must begin" },
		{ "/bin/a ${PORT}", "column 8: '$' must begin" },
		{ "${share}/a", "column 1: nothing is put into the program's own path" },
		{ "/bin/${vm} b", "column 6: nothing is put into the program's own path" },
		{ "/bin/a b\nc", "column 9: control bytes" },
	};
	char why[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (words_check(cases[i].command, why, sizeof(why)) != -EINVAL ||
		    strncmp(why, cases[i].why, strlen(cases[i].why)) != 0)
			fail_msg("'%s': %s", cases[i].command, why);
	}
}

static void there_are_so_many_and_no_more(void **state)
{
	char command[4 * WORDS_MAX], why[128];
	size_t used = (size_t)sprintf(command, "/a");
	struct words w;

	(void)state;
	for (int i = 1; i < WORDS_MAX; i++)
		used += (size_t)sprintf(command + used, " b");
	assert_int_equal(words_fill(command, values, &w, NULL), 0);
	assert_int_equal(w.n, WORDS_MAX);
	sprintf(command + used, " b");
	assert_int_equal(words_check(command, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "too many words"));
}

/* The last byte of the room is the last NUL. */
static void they_are_so_long_and_no_longer(void **state)
{
	static char share[WORDS_BYTES];
	const char *const large[WORDS_VALUES] = { "", share, "", "" };
	struct hy_err e = { 0 };
	struct words w;

	(void)state;
	memset(share, 'x', WORDS_BYTES - sizeof("/a") - 1);
	assert_int_equal(words_fill("/a ${share}", large, &w, NULL), 0);
	assert_int_equal(w.used, WORDS_BYTES);
	assert_int_equal(words_fill("/a ${share} b", large, &w, &e), -EINVAL);
	assert_non_null(strstr(e.text, "too long"));
	assert_string_equal(e.field, "command");
	share[strlen(share)] = 'x';
	assert_int_equal(words_fill("/a ${share}", large, &w, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_made),
		cmocka_unit_test(a_value_stays_in_its_word),
		cmocka_unit_test(mistakes_are_told_with_their_column),
		cmocka_unit_test(there_are_so_many_and_no_more),
		cmocka_unit_test(they_are_so_long_and_no_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
