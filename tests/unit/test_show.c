/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_show.c - the file of counters: written when one has changed, whole, nothing of an older text
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/own.h"
#include "common/show.h"

static struct hy_show show;
static struct ev_loop loop;
static struct hy_log log_nowhere = { .program = "test", .level = HY_LOG_ERR };
static uint64_t counter, length, prints;
static char path[] = "/tmp/test-show-XXXXXX";

static void print(const void *object, FILE *f)
{
	assert_ptr_equal(object, &counter);
	prints++;
	fprintf(f, "{\"n\":%d,\"x\":\"", (int)counter);
	for (uint64_t i = 0; i < length; i++)
		fputc('x', f);
	fputs("\"}\n", f);
}

static int open_all(void **state)
{
	struct hy_err e;

	(void)state;
	strcpy(path, "/tmp/test-show-XXXXXX");
	close(mkstemp(path));
	counter = length = prints = 0;
	show = (struct hy_show){ .fd = hy_show_open(path, &e), .loop = &loop,
				 .log = &log_nowhere, .watch = &counter, .n_watch = 1,
				 .print = print, .object = &counter };
	return show.fd < 0 ? -1 : ev_open(&loop, 64, &e);
}

static int close_all(void **state)
{
	(void)state;
	ev_close(&loop);
	close(show.fd);
	return unlink(path);
}

static void count_to(void *object)
{
	counter = *(uint64_t *)object;
}

/* The loop does something, which makes the counter this; then whatever follows from it. */
static void act(uint64_t value)
{
	struct ev_timer t = { .fn = count_to, .object = &value };
	struct hy_err e;

	assert_int_equal(ev_timer_set(&loop, &t, 0), 0);
	do {
		assert_int_equal(ev_round(&loop, -1, &e), 0);
	} while (loop.n_timers);
}

static size_t shown(char *text, size_t size)
{
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, size - 1, f);
	fclose(f);
	text[n] = '\0';
	return n;
}

static void written_at_once_and_when_a_counter_changes(void **state)
{
	char text[9000];

	(void)state;
	hy_show_start(&show);
	assert_int_equal(prints, 1);
	assert_int_equal(shown(text, sizeof(text)), 4096);
	act(0);
	assert_int_equal(prints, 1);
	act(7);
	assert_int_equal(prints, 2);
	shown(text, sizeof(text));
	assert_int_equal(strncmp(text, "{\"n\":7,\"x\":\"\"}\n ", 16), 0);
	hy_show_stop(&show);
}

static void a_loop_with_nothing_to_do_is_not_woken(void **state)
{
	(void)state;
	hy_show_start(&show);
	for (uint64_t value = 1; value < 4; value++) {
		act(value);
		assert_int_equal(loop.n_timers, 0);
	}
	assert_int_equal(prints, 4);
	assert_int_equal(ev_round(&loop, 0, NULL), 0);
	assert_int_equal(loop.n_timers, 0);
	hy_show_stop(&show);
	act(9);
	assert_int_equal(prints, 5);		/* the last one, when it was stopped */
}

static void a_shorter_text_leaves_nothing_of_a_longer_one(void **state)
{
	char text[9000];

	(void)state;
	length = 5000;
	hy_show_start(&show);
	assert_int_equal(shown(text, sizeof(text)), 8192);
	length = 10;
	hy_show_stop(&show);
	assert_int_equal(shown(text, sizeof(text)), 8192);
	assert_string_equal(strchr(text, '}') + 1 + strspn(strchr(text, '}') + 1, "\n "), "");
}

static void a_text_too_long_is_not_shown_in_part(void **state)
{
	char text[9000];

	(void)state;
	length = HY_SHOW_TEXT_MAX;
	hy_show_start(&show);
	assert_int_equal(shown(text, sizeof(text)), 0);
	hy_show_stop(&show);
}

static const char *letter(unsigned int i)
{
	return i == 1 ? "b" : "?";
}

static void names_and_numbers(void **state)
{
	static const char *const names[] = { "one", "two" };
	static const uint64_t numbers[] = { 0, UINT64_MAX };
	char text[100] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_non_null(f);
	hy_show_counters(f, names, numbers, 2);
	hy_show_some(f, "some", letter, numbers, 2);
	fclose(f);
	assert_string_equal(text, "\"one\":0,\"two\":18446744073709551615,"
				  "\"some\":{\"b\":18446744073709551615}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_loop_with_nothing_to_do_is_not_woken, open_all,
						close_all),
		cmocka_unit_test_setup_teardown(written_at_once_and_when_a_counter_changes,
						open_all, close_all),
		cmocka_unit_test_setup_teardown(a_shorter_text_leaves_nothing_of_a_longer_one,
						open_all, close_all),
		cmocka_unit_test_setup_teardown(a_text_too_long_is_not_shown_in_part, open_all,
						close_all),
		cmocka_unit_test(names_and_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
