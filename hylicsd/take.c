/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * take.c - members of a JSON object into a struct, by a table
 *
 * Runs in: hylicsd
 * Reads from: clients of the API; the object comes from body_parse()
 */
#include "hylicsd/take.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/opt.h"

/* Names of members a client made up are shown no longer than this. */
#define SHOWN_MAX 40

static int refuse(const struct take_member *m, const char *why, struct hy_err *e)
{
	return hy_err_usage(e, m->name, "%s: %s", m->name, why);
}

/* What is counted is @n of @what, each beyond its bounds refused. */
static int check_bounds(const struct take_member *m, uint64_t n, const char *what,
			struct hy_err *e)
{
	char why[128];

	if (n >= m->min && (!m->max || n <= m->max))
		return 0;
	if (m->max)
		snprintf(why, sizeof(why), "must have from %" PRIu64 " to %" PRIu64 " %s", m->min,
			 m->max, what);
	else
		snprintf(why, sizeof(why), "must have at least %" PRIu64 " %s", m->min, what);
	return refuse(m, why, e);
}

static int take_string(const struct take_member *m, const json_t *json, void *place,
		       struct hy_err *e)
{
	const char *text = json_string_value(json);
	int rc;

	if (!text)
		return refuse(m, "want a text", e);
	rc = check_bounds(m, json_string_length(json), "bytes", e);
	if (rc == 0)
		memcpy(place, &text, sizeof(text));
	return rc;
}

static int take_size(const struct take_member *m, const json_t *json, void *place,
		     struct hy_err *e)
{
	static const char form[] = "want a size in bytes, or a text such as \"64M\"";
	uint64_t bytes = 0;
	int rc = 0;

	if (json_is_integer(json) && json_integer_value(json) >= 0)
		bytes = (uint64_t)json_integer_value(json);
	else if (json_is_string(json))
		rc = hy_opt_size(json_string_value(json), &bytes);
	else
		rc = -EINVAL;
	if (rc < 0)
		return refuse(m, rc == -ERANGE ? "the number is too large" : form, e);
	rc = check_bounds(m, bytes, "bytes", e);
	if (rc == 0)
		memcpy(place, &bytes, sizeof(bytes));
	return rc;
}

static int take_bool(const struct take_member *m, const json_t *json, void *place,
		     struct hy_err *e)
{
	bool value = json_is_true(json);

	if (!json_is_boolean(json))
		return refuse(m, "want true or false", e);
	memcpy(place, &value, sizeof(value));
	return 0;
}

static int take_list(const struct take_member *m, const json_t *json, void *place,
		     struct hy_err *e)
{
	struct take_list list = { .n = 0 };
	size_t n = json_array_size(json);
	int rc;

	if (!json_is_array(json))
		return refuse(m, "want a list of texts", e);
	rc = check_bounds(m, n, "texts", e);
	if (rc < 0)
		return rc;
	if (n > TAKE_LIST_MAX)
		return refuse(m, "too many texts", e);
	while (list.n < n) {
		const char *text = json_string_value(json_array_get(json, list.n));

		if (!text)
			return refuse(m, "want a list of texts", e);
		list.item[list.n++] = text;
	}
	memcpy(place, &list, sizeof(list));
	return 0;
}

static const struct {
	const char *name;
	int (*take)(const struct take_member *m, const json_t *json, void *place,
		    struct hy_err *e);
} types[] = {
	[TAKE_STRING] = { "string", take_string },
	[TAKE_SIZE] = { "size", take_size },
	[TAKE_BOOL] = { "bool", take_bool },
	[TAKE_LIST] = { "list", take_list },
};

const char *take_type_text(enum take_type type)
{
	return types[type].name;
}

/* Refuses the first member that no table names; a long name is shown cut off. */
static int check_known(const json_t *json, const struct take_member *table, struct hy_err *e)
{
	const char *name;
	json_t *value;

	/* the iterator changes nothing, but takes no const object */
	json_object_foreach((json_t *)json, name, value) {
		const struct take_member *m = table;
		char shown[SHOWN_MAX + 1];

		while (m->name && strcmp(m->name, name) != 0)
			m++;
		if (m->name)
			continue;
		snprintf(shown, sizeof(shown), "%s", name);
		return hy_err_usage(e, shown, "'%s' is not known here", shown);
	}
	return 0;
}

int take_object(const json_t *json, const struct take_member *table, void *values,
		uint64_t *given, struct hy_err *e)
{
	uint64_t found = 0;
	int rc = check_known(json, table, e);

	for (unsigned int i = 0; rc == 0 && table[i].name; i++) {
		const struct take_member *m = &table[i];
		const json_t *value = json_object_get(json, m->name);

		if (value) {
			found |= UINT64_C(1) << i;
			rc = types[m->type].take(m, value, (char *)values + m->offset, e);
		} else if (m->required) {
			rc = refuse(m, "is missing", e);
		}
	}
	if (rc == 0 && given)
		*given = found;
	return rc;
}
