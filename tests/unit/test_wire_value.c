/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_wire_value.c - numbers with units, and the settings of the wire made of them
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

#include "lab/wire/impair.h"
#include "lab/wire/value.h"

#define UNTOUCHED 77

static void percentages(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint32_t parts;
	} rows[] = {
		{ "0%", 0, 0 }, { "1%", 0, 10000000 }, { "0.5%", 0, 5000000 },
		{ "100%", 0, 1000000000 }, { "100.0000000%", 0, 1000000000 },
		{ "0.0000001%", 0, 1 }, { "0.00000001%", -EINVAL, UNTOUCHED },
		{ "100.0000001%", -ERANGE, UNTOUCHED }, { "101%", -ERANGE, UNTOUCHED },
		{ "1", -EINVAL, UNTOUCHED }, { "%", -EINVAL, UNTOUCHED },
		{ "", -EINVAL, UNTOUCHED }, { "-1%", -EINVAL, UNTOUCHED },
		{ "1.%", -EINVAL, UNTOUCHED }, { ".5%", -EINVAL, UNTOUCHED },
		{ "1 %", -EINVAL, UNTOUCHED }, { "1%%", -EINVAL, UNTOUCHED },
		{ "99999999999999999999%", -ERANGE, UNTOUCHED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t parts = UNTOUCHED;

		assert_int_equal(value_percent(rows[i].text, &parts), rows[i].rc);
		assert_int_equal(parts, rows[i].parts);
	}
}

static void times_and_rates(void **state)
{
	uint64_t v = UNTOUCHED;

	(void)state;
	assert_int_equal(value_time("20ms", &v), 0);
	assert_int_equal(v, 20000000);
	assert_int_equal(value_time("1.5us", &v), 0);
	assert_int_equal(v, 1500);
	assert_int_equal(value_time("60s", &v), 0);
	assert_int_equal(value_time("60.000000001s", &v), -ERANGE);
	assert_int_equal(value_time("20", &v), -EINVAL);
	assert_int_equal(value_time("20m", &v), -EINVAL);
	assert_int_equal(value_rate("100mbit", &v), 0);
	assert_int_equal(v, 100000000);
	assert_int_equal(value_rate("1.25kbit", &v), 0);
	assert_int_equal(v, 1250);
	assert_int_equal(value_rate("1.5bit", &v), -EINVAL);
	assert_int_equal(value_rate("1001gbit", &v), -ERANGE);
	assert_int_equal(value_rate("1M", &v), -EINVAL);
	assert_int_equal(v, 1250);
}

static void counts(void **state)
{
	uint64_t v = UNTOUCHED;

	(void)state;
	assert_int_equal(value_count("17", 17, &v), 0);
	assert_int_equal(v, 17);
	assert_int_equal(value_count("18", 17, &v), -ERANGE);
	assert_int_equal(value_count("1.0", 17, &v), -EINVAL);
	assert_int_equal(value_count("0x1", 17, &v), -EINVAL);
	assert_int_equal(value_count("+1", 17, &v), -EINVAL);
	assert_int_equal(v, 17);
}

static void both_directions_or_one(void **state)
{
	struct impair i[WIRE_DIRECTIONS];
	struct hy_err e;

	(void)state;
	impair_reset(i);
	assert_int_equal(impair_set(i, "loss", "1%", &e), 0);
	assert_int_equal(impair_set(i, "loss", "b:2%", &e), 0);
	assert_int_equal(i[0].odds.loss, 10000000);
	assert_int_equal(i[1].odds.loss, 20000000);
	assert_int_equal(impair_set(i, "delay", "a:5ms", &e), 0);
	assert_int_equal(i[0].delay_ns, 5000000);
	assert_int_equal(i[1].delay_ns, 0);
	assert_int_equal(impair_set(i, "queue", "10", &e), 0);
	assert_int_equal(i[1].queue, 10);
}

static void wrong_settings_change_nothing(void **state)
{
	static const struct {
		const char *key, *text;
	} rows[] = {
		{ "loss", "c:1%" }, { "loss", "a:" }, { "loss", "a:a:1%" }, { "lost", "1%" },
		{ "queue", "0" }, { "queue", "65537" }, { "reorder-gap", "0" },
		{ "delay", "61s" }, { "rate", "a:fast" }, { "", "1%" },
	};
	struct impair i[WIRE_DIRECTIONS], before[WIRE_DIRECTIONS];
	struct hy_err e;

	(void)state;
	memset(i, 0, sizeof(i));
	memset(before, 0, sizeof(before));
	impair_reset(i);
	impair_reset(before);
	for (size_t n = 0; n < sizeof(rows) / sizeof(rows[0]); n++) {
		assert_true(impair_set(i, rows[n].key, rows[n].text, &e) < 0);
		assert_memory_equal(i, before, sizeof(i));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentages),
		cmocka_unit_test(times_and_rates),
		cmocka_unit_test(counts),
		cmocka_unit_test(both_directions_or_one),
		cmocka_unit_test(wrong_settings_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
