/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_name.c - which texts may name a VM or an interface
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

#include "common/name.h"

static void vm_names_follow_the_contract(void **state)
{
	static const char *const wrong[] = {
		"", "-a", "Web", "a_b", "a.b", ".", "..", "a,b", "a b", "a/b", "/", "\xc3\xa4",
		"a\n", "\x01", "\x7f",
		"a123456789b123456789c123456789d123456789e123456789f123456789g123",
	};
	static const char *const right[] = {
		"a", "0", "a-", "web1", "a--b",
		"a123456789b123456789c123456789d123456789e123456789f123456789g12",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		assert_true(hy_name_valid(right[i]));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(hy_name_valid(wrong[i]));
}

static void a_name_of_10000_characters_is_refused(void **state)
{
	char name[10001];

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_false(hy_name_valid(name));
	assert_false(hy_ifname_valid(name, sizeof(name) - 1));
}

static void interface_names_mean_nothing_elsewhere(void **state)
{
	static const char *const wrong[] = {
		"", ".", "..", "a/b", "a b", "a:1", "a,b", "a\n", "a%d", "\xc3\xa4",
		"sixteen-letters-",
	};
	static const char *const right[] = {
		"a", "vnet3", "br0.100", "tap_A", "...", "fifteen-letters",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		assert_true(hy_ifname_valid(right[i], strlen(right[i])));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(hy_ifname_valid(wrong[i], strlen(wrong[i])));
	assert_true(hy_ifname_valid("tap0,mac=x", 4));
	assert_false(hy_ifname_valid("tap0,mac=x", 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vm_names_follow_the_contract),
		cmocka_unit_test(a_name_of_10000_characters_is_refused),
		cmocka_unit_test(interface_names_mean_nothing_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
