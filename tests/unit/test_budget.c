/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_budget.c - how much of the machine's memory all shares together may have
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

#include "hylicsd/budget.h"

#define M (UINT64_C(1) << 20)

static void rules_are_read(void **state)
{
	static const char *const bad[] = {
		"", "%", "0%", "101%", "1000%", "10000%", "-1%", "50 %", "50%%", "%50", "0", "-1",
		"1K", "half", "0.5", "18446744073709551616",
	};
	struct budget_rule r = { 7, 7 };
	char text[64], why[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (budget_read_rule(bad[i], &r, why, sizeof(why)) != -EINVAL)
			fail_msg("'%s' is taken", bad[i]);
		assert_true(r.bytes == 7 && r.percent == 7);
	}
	assert_int_equal(budget_read_rule("25%", &r, why, sizeof(why)), 0);
	assert_int_equal(budget_limit(&r, 1000 * M), 250 * M);
	budget_print_rule(&r, text, sizeof(text));
	assert_string_equal(text, "25%");
	assert_int_equal(budget_read_rule("2G", &r, why, sizeof(why)), 0);
	assert_int_equal(budget_limit(&r, 1000 * M), 1000 * M);
	assert_int_equal(budget_limit(&r, 4096 * M), 2048 * M);
	budget_print_rule(&r, text, sizeof(text));
	assert_string_equal(text, "2G");
}

static struct record vm(uint64_t size, uint64_t memory)
{
	struct record r;

	assert_int_equal(record_init(&r, "web1", NULL), 0);
	r.size = size;
	r.memory = memory;
	return r;
}

static void memory_and_not_size_counts(void **state)
{
	const struct record all = vm(64 * M, 0), some = vm(64 * M, 16 * M);

	(void)state;
	assert_int_equal(budget_need(&all), 64 * M + HY_VM_OVERHEAD);
	assert_int_equal(budget_need(&some), 16 * M + HY_VM_OVERHEAD);
}

static void of_a_dynamic_one_the_least_counts(void **state)
{
	struct record r = vm(64 * M, 0);
	struct budget b = { .limit = 8 * M + HY_VM_OVERHEAD };
	struct hy_err e = { 0 };

	(void)state;
	r.control = RECORD_CONTROL_DYNAMIC;
	assert_int_equal(budget_need(&r), 8 * M + HY_VM_OVERHEAD);
	assert_int_equal(budget_check(&b, &r, NULL), 0);
	r.memory_min = 9 * M;
	assert_int_equal(budget_check(&b, &r, &e), -EDQUOT);
	assert_string_equal(e.field, "memory-min");
	assert_non_null(strstr(e.text, "9M of memory"));
}

static void what_fits_to_the_byte_is_taken(void **state)
{
	const struct record r = vm(64 * M, 0);
	struct budget b = { .limit = 2 * (64 * M + HY_VM_OVERHEAD) };
	struct hy_err e = { 0 };

	(void)state;
	assert_int_equal(budget_check(&b, &r, NULL), 0);
	budget_add(&b, &r);
	assert_int_equal(budget_check(&b, &r, NULL), 0);
	b.limit--;
	assert_int_equal(budget_check(&b, &r, &e), -EDQUOT);
	assert_string_equal(hy_err_code(&e), "over-budget");
	assert_string_equal(e.field, "memory");
	assert_string_equal(e.text, "'web1': 64M of memory and 32M beside it; of the budget of "
			    "191M there is room for a VM with 63M");
}

static void nothing_wraps_round(void **state)
{
	struct record r = vm(HY_SHARE_MAX, 0);
	struct budget b = { .limit = 100 * M, .used = 200 * M };
	struct hy_err e = { 0 };

	(void)state;
	assert_int_equal(budget_check(&b, &r, &e), -EDQUOT);
	assert_non_null(strstr(e.text, "room for a VM with 0"));
	b.used = UINT64_MAX - M;
	budget_add(&b, &r);
	assert_true(b.used == UINT64_MAX);
	r = vm(M, 0);
	assert_int_equal(budget_check(&b, &r, NULL), -EDQUOT);
	b = (struct budget){ .limit = HY_VM_OVERHEAD - 1 };
	assert_int_equal(budget_check(&b, &r, &e), -EDQUOT);
	assert_non_null(strstr(e.text, "room for a VM with 0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_read),
		cmocka_unit_test(memory_and_not_size_counts),
		cmocka_unit_test(of_a_dynamic_one_the_least_counts),
		cmocka_unit_test(what_fits_to_the_byte_is_taken),
		cmocka_unit_test(nothing_wraps_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
