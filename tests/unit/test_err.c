/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_err.c - the error object: context grows in front, what it prints, codes for scripts
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
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/err.h"
#include "common/json.h"
#include "common/own.h"

static void set_returns_the_negative_errno(void **state)
{
	struct hy_err e = { 0 };

	(void)state;
	assert_int_equal(hy_err_set(&e, ENOENT, "share '%s': open", "/srv/x"), -ENOENT);
	assert_int_equal(e.num, ENOENT);
	assert_string_equal(e.text, "share '/srv/x': open");
	assert_int_equal(hy_err_set(NULL, EPERM, "nobody listens"), -EPERM);
}

static void add_puts_context_in_front(void **state)
{
	struct hy_err e = { 0 };

	(void)state;
	assert_int_equal(hy_err_add(NULL, "x"), -EIO);
	assert_int_equal(hy_err_add(&e, "never set"), -EIO);
	hy_err_set(&e, EACCES, "open");
	assert_int_equal(hy_err_add(&e, "vm '%s'", "web1"), -EACCES);
	assert_string_equal(e.text, "vm 'web1': open");
}

static void set_forgets_what_was_there(void **state)
{
	struct hy_err e = { 0 };

	(void)state;
	hy_err_usage(&e, "--memory", "wrong");
	hy_err_set(&e, EIO, "again: %s", e.text);
	assert_string_equal(e.text, "again: wrong");
	assert_string_equal(e.field, "");
	assert_string_equal(hy_err_code(&e), "failed");
}

static void long_text_is_cut_off(void **state)
{
	struct hy_err e = { 0 };
	char longer[2 * HY_ERR_TEXT_MAX];

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	hy_err_set(&e, EIO, "%s", longer);
	assert_int_equal(strlen(e.text), HY_ERR_TEXT_MAX - 1);
	hy_err_add(&e, "front");
	assert_int_equal(strlen(e.text), HY_ERR_TEXT_MAX - 1);
	assert_memory_equal(e.text, "front: xxx", 10);
	hy_err_add(&e, "%s", longer);
	assert_int_equal(strlen(e.text), HY_ERR_TEXT_MAX - 1);
	hy_err_usage(&e, longer, "x");
	assert_int_equal(strlen(e.field), HY_ERR_FIELD_MAX - 1);
}

static void text_is_utf8_whatever_comes(void **state)
{
	char letters[2 * HY_ERR_TEXT_MAX + 1] = "";
	struct hy_err e = { 0 };

	(void)state;
	hy_err_set(&e, EINVAL, "a\xff" "b\xc3\xa9" "c\xe2\x82");
	assert_string_equal(e.text, "a?b\xc3\xa9" "c??");
	hy_err_add(&e, "%.3s", "x\xc3\xa9\xc3\xa9");
	assert_string_equal(e.text, "x\xc3\xa9: a?b\xc3\xa9" "c??");
	for (size_t i = 0; i < HY_ERR_TEXT_MAX; i++)
		memcpy(letters + 2 * i, "\xc3\xa9", 3);
	for (int begin = 0; begin < 2; begin++) {
		hy_err_set(&e, EINVAL, "%.*s%s", begin, "-", letters);
		assert_true(hy_json_lossless(e.text));
	}
}

static void exit_codes_follow_the_contract(void **state)
{
	static const struct {
		int num, exit;
	} cases[] = {
		{ ENOENT, HY_EXIT_NO_OBJECT }, { ECONNREFUSED, HY_EXIT_NO_DAEMON },
		{ EBUSY, HY_EXIT_REFUSED }, { EAGAIN, HY_EXIT_REFUSED },
		{ EDQUOT, HY_EXIT_REFUSED },
		{ EIO, HY_EXIT_FAILED }, { EINVAL, HY_EXIT_FAILED },
	};
	struct hy_err e = { 0 };

	(void)state;
	assert_int_equal(hy_err_exit(&e), HY_EXIT_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		hy_err_set(&e, cases[i].num, "x");
		assert_int_equal(hy_err_exit(&e), cases[i].exit);
	}
	hy_err_usage(&e, NULL, "x");
	assert_int_equal(hy_err_exit(&e), HY_EXIT_USAGE);
	assert_string_equal(hy_err_code(&e), "bad-usage");
}

/* Returns what @e prints as JSON; the caller frees it. */
static char *json_of(const struct hy_err *e)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	hy_err_print_json(f, e);
	fclose(f);
	return text;
}

static void json_has_code_message_field(void **state)
{
	struct hy_err e = { 0 };
	char *text;

	(void)state;
	hy_err_usage(&e, "--memory", "--memory '%s': not a size", "a\"b");
	text = json_of(&e);
	assert_string_equal(text, "{\"error\":{\"code\":\"bad-option\",\"message\":"
				  "\"--memory 'a\\\"b': not a size\",\"field\":\"--memory\"}}\n");
	free(text);
	hy_err_set(&e, EBUSY, "share");
	text = json_of(&e);
	assert_string_equal(text, "{\"error\":{\"code\":\"busy\",\"message\":"
				  "\"share: Device or resource busy\"}}\n");
	free(text);
}

static void json_strings_are_escaped(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "\"\"" },
		{ "a\"\\/", "\"a\\\"\\\\/\"" },
		{ "\b\f\n\r\t\x01\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\"" },
		{ "gr\xc3\xbc\xc3\x9f\xe2\x82\xac\xf0\x9f\x98\x80",
		  "\"gr\xc3\xbc\xc3\x9f\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ "\xff", "\"\\ufffd\"" },
		{ "\xc3", "\"\\ufffd\"" },			/* cut off */
		{ "\xe2\x82", "\"\\ufffd\\ufffd\"" },
		{ "\xc0\xaf", "\"\\ufffd\\ufffd\"" },		/* overlong */
		{ "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"" },	/* a surrogate */
		{ "\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },	/* past 10FFFF */
		{ "\xc3(", "\"\\ufffd(\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = NULL;
		size_t size;
		FILE *f = open_memstream(&text, &size);

		assert_non_null(f);
		hy_json_string(f, cases[i].in);
		fclose(f);
		assert_string_equal(text, cases[i].out);
		assert_int_equal(hy_json_lossless(cases[i].in), !strstr(text, "ufffd"));
		free(text);
	}
}

static void owners_give_back_once(void **state)
{
	int ends[2], kept;
	char *text = strdup("x"), *taken;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	{
		hy_autofd read_end = ends[0];
		hy_autofd write_end = ends[1];
		hy_autofree char *gone = strdup("y");

		kept = hy_fd_steal(&write_end);
		assert_non_null(gone);
		assert_int_equal(write_end, -1);
		assert_true(read_end >= 0);
		errno = ENOTTY;
	}
	assert_int_equal(errno, ENOTTY);
	assert_int_equal(close(ends[0]), -1);
	assert_int_equal(close(kept), 0);
	taken = hy_ptr_steal(&text);
	assert_null(text);
	assert_string_equal(taken, "x");
	free(taken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_returns_the_negative_errno),
		cmocka_unit_test(add_puts_context_in_front),
		cmocka_unit_test(set_forgets_what_was_there),
		cmocka_unit_test(long_text_is_cut_off),
		cmocka_unit_test(text_is_utf8_whatever_comes),
		cmocka_unit_test(exit_codes_follow_the_contract),
		cmocka_unit_test(json_has_code_message_field),
		cmocka_unit_test(json_strings_are_escaped),
		cmocka_unit_test(owners_give_back_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
