/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * impair.c - how bad the wire is: the settings of each direction
 *
 * Runs in: hylics-wire
 * Reads from: whoever started the program or may open its control socket; strict
 */
#include "lab/wire/impair.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "lab/wire/value.h"

#define DEFAULT_GAP 3
#define DEFAULT_BOUND_NS 50000000ull

enum kind { PERCENT, TIME, RATE, COUNT };

static const char *const spelling[] = {
	[PERCENT] = "a percentage from 0% to 100%, such as 0.5%",
	[TIME] = "a time of at most 60s, such as 20ms, 1.5ms or 300us",
	[RATE] = "a rate in bits per second, such as 64kbit, 100mbit or 1gbit (0bit: no limit)",
	[COUNT] = "a number of frames",
};

struct setting {
	const char *key;
	enum kind kind;
	size_t offset;
	uint64_t min, max;	/* of COUNT */
};

static const struct setting settings[] = {
	{ "loss", PERCENT, offsetof(struct impair, odds.loss), 0, 0 },
	{ "reorder", PERCENT, offsetof(struct impair, odds.reorder), 0, 0 },
	{ "duplicate", PERCENT, offsetof(struct impair, odds.duplicate), 0, 0 },
	{ "corrupt", PERCENT, offsetof(struct impair, odds.corrupt), 0, 0 },
	{ "delay", TIME, offsetof(struct impair, delay_ns), 0, 0 },
	{ "jitter", TIME, offsetof(struct impair, jitter_ns), 0, 0 },
	{ "reorder-bound", TIME, offsetof(struct impair, reorder_bound_ns), 0, 0 },
	{ "rate", RATE, offsetof(struct impair, rate_bits), 0, 0 },
	{ "reorder-gap", COUNT, offsetof(struct impair, reorder_gap), 1, 1000 },
	{ "queue", COUNT, offsetof(struct impair, queue), 1, WIRE_QUEUE_MAX },
};

void impair_reset(struct impair i[WIRE_DIRECTIONS])
{
	for (int d = 0; d < WIRE_DIRECTIONS; d++)
		i[d] = (struct impair){ .reorder_gap = DEFAULT_GAP, .queue = WIRE_QUEUE_DEFAULT,
					.reorder_bound_ns = DEFAULT_BOUND_NS };
}

static const struct setting *find_setting(const char *key)
{
	for (size_t n = 0; n < sizeof(settings) / sizeof(settings[0]); n++) {
		if (strcmp(settings[n].key, key) == 0)
			return &settings[n];
	}
	return NULL;
}

static int parse_count(const struct setting *s, const char *text, uint32_t *out)
{
	uint64_t count;
	int rc = value_count(text, s->max, &count);

	if (rc < 0)
		return rc;
	if (count < s->min)
		return -ERANGE;
	*out = (uint32_t)count;
	return 0;
}

static int parse_into(struct impair *i, const struct setting *s, const char *text)
{
	void *field = (char *)i + s->offset;

	switch (s->kind) {
	case PERCENT:
		return value_percent(text, field);
	case TIME:
		return value_time(text, field);
	case RATE:
		return value_rate(text, field);
	case COUNT:
		return parse_count(s, text, field);
	}
	return -EINVAL;
}

int impair_set(struct impair i[WIRE_DIRECTIONS], const char *key, const char *text,
	       struct hy_err *e)
{
	const struct setting *s = find_setting(key);
	bool one = (text[0] == 'a' || text[0] == 'b') && text[1] == ':';
	int first = one && text[0] == 'b', last = one ? first : WIRE_DIRECTIONS - 1, rc;

	if (!s)
		return hy_err_set(e, EINVAL, "no setting is called '%s'", key);
	for (int d = first; d <= last; d++) {
		rc = parse_into(&i[d], s, one ? text + 2 : text);
		if (rc < 0)
			return hy_err_set(e, -rc, "%s '%s': want %s", key, text,
					  spelling[s->kind]);
	}
	return 0;
}
