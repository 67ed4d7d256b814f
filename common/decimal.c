/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * decimal.c - numbers with a point, from text
 *
 * Runs in: hylicsd, lab
 * Reads from: files of the operator, command lines
 */
#include "common/decimal.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* strtod() alone would take blanks, signs, hexadecimals, "inf", "nan" and what follows a number. */
static const char *digits(const char *text)
{
	size_t n = strspn(text, "0123456789");

	return n ? text + n : NULL;
}

static const char *exponent(const char *text)
{
	if (*text != 'e' && *text != 'E')
		return text;
	text++;
	return digits(text + (*text == '-' || *text == '+'));
}

static bool is_decimal(const char *text)
{
	const char *p = digits(text + (*text == '-'));

	if (p && *p == '.')
		p = digits(p + 1);
	p = p ? exponent(p) : NULL;
	return p && !*p && strlen(text) <= HY_DECIMAL_MAX;
}

int hy_decimal(const char *text, double min, double max, double *out, char *why, size_t size)
{
	char *end;
	double value;

	if (!is_decimal(text)) {
		snprintf(why, size, "not a number: write digits, such as 12, 0.41 or 1.5e-3");
		return -EINVAL;
	}
	/* Where a locale has another point than '.', this ends early, and nothing is taken. */
	value = strtod(text, &end);
	if (*end || !isfinite(value) || value < min || value > max) {
		snprintf(why, size, "must be from %.12g to %.12g", min, max);
		return -EINVAL;
	}
	*out = value;
	return 0;
}
