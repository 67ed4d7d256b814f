/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * opt_value.c - the types of option values: from text, and back to text for help
 *
 * Runs in: every program
 * Reads from: the command line of whoever started the program
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/opt_parts.h"

#define WHY_MAX (2 * OPT_VALUE_TEXT_MAX + 32)

struct unit {
	const char *name;
	uint64_t factor;
};

/* From small to large; the text forms take the largest that divides. */
static const struct unit size_units[] = {
	{ "", 1 },
	{ "K", UINT64_C(1) << 10 },
	{ "M", UINT64_C(1) << 20 },
	{ "G", UINT64_C(1) << 30 },
	{ "T", UINT64_C(1) << 40 },
	{ NULL, 0 },
};

static const struct unit duration_units[] = {
	{ "ms", 1 },
	{ "s", 1000 },
	{ "m", UINT64_C(60) * 1000 },
	{ "h", UINT64_C(60) * 60 * 1000 },
	{ NULL, 0 },
};

/* Digits only: strtoull() would take spaces, signs and values that wrap round. */
static int take_digits(const char **text, uint64_t *value)
{
	const char *s = *text;
	uint64_t v = 0;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++) {
		unsigned int digit = (unsigned int)(*s - '0');

		if (v > ((uint64_t)INT64_MAX - digit) / 10)
			return -ERANGE;
		v = v * 10 + digit;
	}
	*text = s;
	*value = v;
	return 0;
}

static int parse_with_unit(const char *text, const struct unit *units, uint64_t *value)
{
	uint64_t number;
	int rc = take_digits(&text, &number);

	if (rc < 0)
		return rc;
	for (const struct unit *u = units; u->name; u++) {
		if (strcmp(text, u->name) != 0)
			continue;
		if (number > (uint64_t)INT64_MAX / u->factor)
			return -ERANGE;
		*value = number * u->factor;
		return 0;
	}
	return -EINVAL;
}

int hy_opt_size(const char *text, uint64_t *bytes)
{
	return parse_with_unit(text, size_units, bytes);
}

int hy_opt_duration(const char *text, uint64_t *ms)
{
	return parse_with_unit(text, duration_units, ms);
}

static int parse_int(const char *text, int64_t *value)
{
	bool negative = *text == '-';
	const char *digits = text + negative;
	uint64_t number;
	int rc = take_digits(&digits, &number);

	if (rc < 0)
		return rc;
	if (*digits)
		return -EINVAL;
	*value = negative ? -(int64_t)number : (int64_t)number;
	return 0;
}

static void text_with_unit(const struct unit *units, uint64_t value, char *text, size_t size)
{
	const struct unit *best = units;

	for (const struct unit *u = units; u->name; u++)
		if (value && value % u->factor == 0)
			best = u;
	snprintf(text, size, "%" PRIu64 "%s", value / best->factor, best->name);
}

static void number_text(const struct hy_opt *o, int64_t value, char *text, size_t size)
{
	if (o->type == HY_OPT_SIZE)
		text_with_unit(size_units, (uint64_t)value, text, size);
	else if (o->type == HY_OPT_DURATION)
		text_with_unit(duration_units, (uint64_t)value, text, size);
	else
		snprintf(text, size, "%" PRId64, value);
}

static int refuse(const struct hy_opt *o, const char *text, const char *why, struct hy_err *e)
{
	char field[HY_ERR_FIELD_MAX];

	snprintf(field, sizeof(field), "--%s", o->name);
	return hy_err_usage(e, field, "%s '%s': %s", field, text, why);
}

static int check_bounds(const struct hy_opt *o, int64_t value, char *why, size_t size)
{
	char low[OPT_VALUE_TEXT_MAX], high[OPT_VALUE_TEXT_MAX];

	if (value >= o->min && (!o->max || value <= o->max))
		return 0;
	number_text(o, o->min, low, sizeof(low));
	number_text(o, o->max, high, sizeof(high));
	if (o->max)
		snprintf(why, size, "must be from %s to %s", low, high);
	else
		snprintf(why, size, "must be at least %s", low);
	return -EINVAL;
}

/* What a number must look like, for the message that refuses one. */
static const char *form_text(enum hy_opt_type type)
{
	switch (type) {
	case HY_OPT_SIZE:
		return "not a size: write digits, then nothing or one of K, M, G, T, such as 64M";
	case HY_OPT_DURATION:
		return "not a duration: write digits and one of ms, s, m, h, such as 500ms or 10s";
	default:
		return "not a whole number";
	}
}

static int read_number(const struct hy_opt *o, const char *text, void *place, char *why,
		       size_t size)
{
	int64_t value = 0;
	int rc;

	if (o->type == HY_OPT_INT)
		rc = parse_int(text, &value);
	else	/* gives at most INT64_MAX, so the sign is no matter */
		rc = parse_with_unit(text, o->type == HY_OPT_SIZE ? size_units : duration_units,
				     (uint64_t *)&value);
	if (rc < 0) {
		snprintf(why, size, "%s",
			 rc == -ERANGE ? "the number is too large" : form_text(o->type));
		return -EINVAL;
	}
	rc = check_bounds(o, value, why, size);
	if (rc == 0)
		memcpy(place, &value, sizeof(value));
	return rc;
}

/* "auto, kvm or tcg" */
static void choices_text(const struct hy_opt *o, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned int i = 0; o->choices[i] && used < size; i++) {
		const char *before = i == 0 ? "" : o->choices[i + 1] ? ", " : " or ";

		used += (size_t)snprintf(text + used, size - used, "%s%s", before, o->choices[i]);
	}
}

static int read_choice(const struct hy_opt *o, const char *text, void *place, char *why,
		       size_t size)
{
	char list[OPT_VALUE_TEXT_MAX];

	for (int i = 0; o->choices[i]; i++) {
		if (strcmp(o->choices[i], text) != 0)
			continue;
		memcpy(place, &i, sizeof(i));
		return 0;
	}
	choices_text(o, list, sizeof(list));
	snprintf(why, size, "must be %s", list);
	return -EINVAL;
}

int hy_opt_read(const struct hy_opt *o, const char *text, void *place, char *why, size_t size)
{
	if (o->type == HY_OPT_CHOICE)
		return read_choice(o, text, place, why, size);
	return read_number(o, text, place, why, size);
}

static int add_to_list(const struct hy_opt *o, const char *text, struct hy_opt_list *list,
		       struct hy_err *e)
{
	char why[48];

	if (list->n == HY_OPT_LIST_MAX) {
		snprintf(why, sizeof(why), "may be given at most %d times", HY_OPT_LIST_MAX);
		return refuse(o, text, why, e);
	}
	list->item[list->n++] = text;
	return 0;
}

int opt_value_set(const struct hy_opt *o, const char *text, void *values, struct hy_err *e)
{
	void *place = (char *)values + o->offset;
	char why[WHY_MAX];

	switch (o->type) {
	case HY_OPT_STRING:
		memcpy(place, &text, sizeof(text));
		return 0;
	case HY_OPT_LIST:
		return add_to_list(o, text, place, e);
	default:
		if (hy_opt_read(o, text, place, why, sizeof(why)) < 0)
			return refuse(o, text, why, e);
		return 0;
	}
}

void hy_opt_text(const struct hy_opt *o, const void *place, char *text, size_t size)
{
	int64_t number = 0;
	int chosen = 0;

	if (o->type == HY_OPT_CHOICE) {
		memcpy(&chosen, place, sizeof(chosen));
		snprintf(text, size, "%s", o->choices[chosen]);
		return;
	}
	memcpy(&number, place, sizeof(number));
	number_text(o, number, text, size);
}

void opt_default_text(const struct hy_cmd *cmd, const struct hy_opt *o, char *text, size_t size)
{
	const void *place = cmd->defaults ? (const char *)cmd->defaults + o->offset : NULL;
	const char *string = NULL;
	const int first = 0;
	int64_t number = 0;

	text[0] = '\0';
	if (o->required || o->type == HY_OPT_FLAG || o->type == HY_OPT_LIST)
		return;
	if (o->type == HY_OPT_CHOICE) {
		hy_opt_text(o, place ? place : &first, text, size);
	} else if (o->type == HY_OPT_STRING && place) {
		memcpy(&string, place, sizeof(string));
		snprintf(text, size, "%s", string ? string : "");
	} else if (place) {
		memcpy(&number, place, sizeof(number));
		if (number)
			hy_opt_text(o, place, text, size);
	}
}

const char *opt_type_text(enum hy_opt_type type)
{
	static const char *const words[] = {
		[HY_OPT_FLAG] = "flag",
		[HY_OPT_STRING] = "string",
		[HY_OPT_INT] = "int",
		[HY_OPT_SIZE] = "size",
		[HY_OPT_DURATION] = "duration",
		[HY_OPT_CHOICE] = "choice",
		[HY_OPT_LIST] = "list",
	};

	return words[type];
}
