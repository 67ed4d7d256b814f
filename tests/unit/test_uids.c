/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_uids.c - which user ids of the range VMs have
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hylicsd/uids.h"

static void ranges_are_read(void **state)
{
	static const char *const bad[] = {
		"", "-", "1000", "1000-", "-1000", "1000-999", "999-1001", "0-0", "1000-66536",
		"100000-4294967294", "4294967290-4294967295", "65534-65534", "65000-66000",
		"65535-65536", "1000 - 2000", "1000-2000x", "1K-2K", "0x400-0x500",
		"18446744073709552616-18446744073709552617",
		"11111111111111111111111111111111-2", "100000-165536",
	};
	struct uid_range r = { 1, 2 };
	char text[64], why[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (uids_read_range(bad[i], &r, why, sizeof(why)) != -EINVAL)
			fail_msg("'%s' is taken", bad[i]);
		assert_true(r.first == 1 && r.last == 2);
	}
	assert_int_equal(uids_read_range("1000-1000", &r, why, sizeof(why)), 0);
	assert_true(r.first == 1000 && r.last == 1000);
	assert_int_equal(uids_read_range("65536-131071", &r, why, sizeof(why)), 0);
	uids_print_range(&r, text, sizeof(text));
	assert_string_equal(text, "65536-131071");
}

static void the_lowest_free_one_is_found(void **state)
{
	static struct uids u;
	const struct uid_range range = { 100000, 100000 + 129 };
	struct hy_err e = { 0 };
	uid_t uid = 0;

	(void)state;
	uids_open(&u, &range);
	for (uid_t want = range.first; want <= range.last; want++) {
		assert_int_equal(uids_lowest(&u, &uid, NULL), 0);
		assert_int_equal(uid, want);
		uids_take(&u, uid);
	}
	assert_int_equal(uids_lowest(&u, &uid, &e), -ENOSPC);
	assert_non_null(strstr(e.text, "100000-100129"));
	uids_give_back(&u, 100064);
	uids_give_back(&u, 100003);
	assert_int_equal(uids_lowest(&u, &uid, NULL), 0);
	assert_int_equal(uid, 100003);
	uids_take(&u, 100003);
	assert_int_equal(uids_lowest(&u, &uid, NULL), 0);
	assert_int_equal(uid, 100064);
}

static void the_whole_range_can_be_used(void **state)
{
	static struct uids u;
	const struct uid_range range = { 100000, 100000 + HY_UIDS_MAX - 1 };
	uid_t uid = 0;

	(void)state;
	uids_open(&u, &range);
	for (uid_t i = range.first; i < range.last; i++)
		uids_take(&u, i);
	assert_int_equal(uids_lowest(&u, &uid, NULL), 0);
	assert_int_equal(uid, range.last);
}

static void one_outside_of_the_range_is_nobodys_business(void **state)
{
	static struct uids u;
	const struct uid_range range = { 100000, 100001 };
	uid_t uid = 0;

	(void)state;
	uids_open(&u, &range);
	uids_take(&u, 99999);
	uids_take(&u, 100002);
	uids_take(&u, 4000000000u);
	uids_take(&u, 100000 + HY_UIDS_MAX);
	uids_give_back(&u, 0);
	assert_int_equal(uids_lowest(&u, &uid, NULL), 0);
	assert_int_equal(uid, 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_read),
		cmocka_unit_test(the_lowest_free_one_is_found),
		cmocka_unit_test(the_whole_range_can_be_used),
		cmocka_unit_test(one_outside_of_the_range_is_nobodys_business),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
