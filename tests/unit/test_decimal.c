/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_decimal.c - numbers with a point: what is one, bounds, and every other text refused
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

#include <cmocka.h>
#include <float.h>
#include <math.h>

#include "common/decimal.h"

#define UNTOUCHED 77.0

static char why[160];

static int take(const char *text, double *out)
{
	*out = UNTOUCHED;
	why[0] = '\0';
	return hy_decimal(text, -DBL_MAX, DBL_MAX, out, why, sizeof(why));
}

static void numbers_are_taken(void **state)
{
	static const struct {
		const char *text;
		double value;
	} cases[] = {
		{ "0", 0 }, { "12", 12 }, { "-12", -12 }, { "0.41", 0.41 }, { "-0.5", -0.5 },
		{ "1.5e3", 1500 }, { "1.5E+3", 1500 }, { "15e-1", 1.5 }, { "007", 7 },
		{ "1e-400", 0 }, { "1.7976931348623157e308", DBL_MAX },
	};
	double out;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (take(cases[i].text, &out) != 0 || out < cases[i].value || out > cases[i].value)
			fail_msg("%s: %.17g, '%s'", cases[i].text, out, why);
}

static void nothing_else_is(void **state)
{
	static const char *const cases[] = {
		"", " ", "-", "+1", " 1", "1 ", ".5", "1.", "1..2", "1.2.3", "--1", "1e", "1e+",
		"1e1.5", "0x1", "0x1p3", "inf", "-inf", "INF", "nan", "NaN", "nan(1)", "1,5",
		"1_000", "1s", "1 2", "\xd9\xa1", "1e309", "-1e309", "1e99999999999999999999",
		"0.000000000000000000000000000000000000001",
	};
	double out;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (take(cases[i], &out) != -EINVAL || out < UNTOUCHED || out > UNTOUCHED ||
		    !why[0])
			fail_msg("'%s': %.17g, '%s'", cases[i], out, why);
}

static void bounds_belong_to_it(void **state)
{
	static const char *const inside[] = { "0", "0.5", "1", "1.0", "-0" };
	static const char *const outside[] = { "-1e-9", "1.0000001", "2", "-1" };
	double out;

	(void)state;
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++)
		assert_int_equal(hy_decimal(inside[i], 0, 1, &out, why, sizeof(why)), 0);
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		assert_int_equal(hy_decimal(outside[i], 0, 1, &out, why, sizeof(why)), -EINVAL);
		assert_string_equal(why, "must be from 0 to 1");
	}
	assert_int_equal(hy_decimal("1e309", 0, INFINITY, &out, why, sizeof(why)), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_taken),
		cmocka_unit_test(nothing_else_is),
		cmocka_unit_test(bounds_belong_to_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
