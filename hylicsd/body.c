/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * body.c - the body of a request: bytes to a JSON object, refused with a sentence
 *
 * Runs in: hylicsd
 * Reads from: clients of the API (let in by their credentials, but any bytes may come)
 */
#include "hylicsd/body.h"

#include <errno.h>
#include <stdbool.h>

#include "common/limits.h"

/*
 * How deep the brackets go, counted without recursion. It need not know whether they match: what
 * a parser would recurse into is never deeper than this.
 */
static unsigned int deepest(const char *bytes, size_t len)
{
	unsigned int depth = 0, most = 0;
	bool text = false;

	for (size_t i = 0; i < len; i++) {
		char c = bytes[i];

		if (text && c == '\\')
			i++;
		else if (c == '"')
			text = !text;
		else if (!text && (c == '{' || c == '['))
			most = ++depth > most ? depth : most;
		else if (!text && (c == '}' || c == ']') && depth)
			depth--;
	}
	return most;
}

int body_parse(const char *bytes, size_t len, json_t **json, struct hy_err *e)
{
	json_error_t error;
	unsigned int depth = deepest(bytes, len);
	json_t *made;

	if (depth > HY_JSON_DEPTH_MAX)
		return hy_err_usage(e, NULL, "JSON of %u levels: at most %d are taken", depth,
				    HY_JSON_DEPTH_MAX);
	if (!len)
		return hy_err_usage(e, NULL, "the body is empty: want a JSON object");
	made = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &error);
	if (!made && json_error_code(&error) == json_error_out_of_memory)
		return hy_err_set(e, ENOMEM, "JSON");
	if (!made)
		return hy_err_usage(e, NULL, "JSON, line %d, column %d: %s", error.line,
				    error.column, error.text);
	if (!json_is_object(made)) {
		json_decref(made);
		return hy_err_usage(e, NULL, "the body is no JSON object");
	}
	*json = made;
	return 0;
}
