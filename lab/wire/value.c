/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * value.c - numbers with units, as options, rules and control commands write them
 *
 * Runs in: hylics-wire
 * Reads from: whoever started the program or may open its control socket; strict
 *
 * A unit is a power of ten of the smallest one, so "1.5ms" is the digits 15 and an exponent: no
 * floating point, and a number that is not a whole multiple of the smallest unit is refused.
 */
#include "lab/wire/value.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "lab/wire/wire_limits.h"

#define RATE_MAX_BITS 1000000000000ull
#define DIGITS_MAX 18		/* below 2^63 */

struct unit {
	const char *word;
	int power;		/* of ten, in smallest units */
};

static const struct unit percent_units[] = { { "%", 7 }, { NULL, 0 } };
static const struct unit time_units[] = { { "us", 3 }, { "ms", 6 }, { "s", 9 }, { NULL, 0 } };
static const struct unit rate_units[] = {
	{ "bit", 0 }, { "kbit", 3 }, { "mbit", 6 }, { "gbit", 9 }, { NULL, 0 },
};
static const struct unit plain_units[] = { { "", 0 }, { NULL, 0 } };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads digits into *value. Return: how many there were, -ERANGE if too many. */
static int take_digits(const char **text, uint64_t *value)
{
	int n = 0;

	for (; is_digit(**text); (*text)++) {
		if (++n > DIGITS_MAX)
			return -ERANGE;
		*value = *value * 10 + (uint64_t)(**text - '0');
	}
	return n;
}

static const struct unit *find_unit(const struct unit *units, const char *word)
{
	for (; units->word; units++) {
		if (strcmp(units->word, word) == 0)
			return units;
	}
	return NULL;
}

static int scale(uint64_t *value, int power)
{
	for (; power > 0; power--) {
		if (*value > UINT64_MAX / 10)
			return -ERANGE;
		*value *= 10;
	}
	return 0;
}

static int parse(const char *text, const struct unit *units, uint64_t max, uint64_t *out)
{
	const struct unit *unit;
	uint64_t value = 0;
	int whole = take_digits(&text, &value), decimals = 0;

	if (whole <= 0)
		return whole < 0 ? whole : -EINVAL;
	if (*text == '.') {
		text++;
		decimals = take_digits(&text, &value);
		if (decimals <= 0)
			return decimals < 0 ? decimals : -EINVAL;
	}
	unit = find_unit(units, text);
	if (!unit || whole + decimals > DIGITS_MAX || decimals > unit->power)
		return -EINVAL;
	if (scale(&value, unit->power - decimals) < 0 || value > max)
		return -ERANGE;
	*out = value;
	return 0;
}

int value_percent(const char *text, uint32_t *parts)
{
	uint64_t value;
	int rc = parse(text, percent_units, 1000000000, &value);

	if (rc == 0)
		*parts = (uint32_t)value;
	return rc;
}

int value_time(const char *text, uint64_t *ns)
{
	return parse(text, time_units, WIRE_TIME_MAX_NS, ns);
}

int value_rate(const char *text, uint64_t *bits)
{
	return parse(text, rate_units, RATE_MAX_BITS, bits);
}

int value_count(const char *text, uint64_t max, uint64_t *count)
{
	return parse(text, plain_units, max, count);
}
