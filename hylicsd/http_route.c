/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http_route.c - the table of what the API can be asked: dispatch, refusals and documentation
 *
 * Runs in: hylicsd
 * Reads from: clients of the API (methods and paths)
 */
#include "hylicsd/http_route.h"

#include <stdio.h>
#include <string.h>

/* Where parts of a path stand for "{...}". */
struct spans {
	unsigned int n;
	size_t at[HTTP_PARAMS_MAX], len[HTTP_PARAMS_MAX];
};

static bool fits(const char *pattern, const char *path, struct spans *found)
{
	const char *start = path;

	found->n = 0;
	while (*pattern) {
		if (*pattern == '{') {
			size_t len = strcspn(path, "/");

			if (!len || found->n == HTTP_PARAMS_MAX)
				return false;
			found->at[found->n] = (size_t)(path - start);
			found->len[found->n++] = len;
			path += len;
			pattern += strcspn(pattern, "}") + 1;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return *path == '\0';
}

static void add_method(char allow[HTTP_ALLOW_MAX], const char *method)
{
	size_t used = strlen(allow);

	snprintf(allow + used, HTTP_ALLOW_MAX - used, "%s%s%s", used ? ", " : "", method,
		 strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

const struct http_route *http_route_find(const struct http_route *table, const char *method,
					 char *path, const char *param[HTTP_PARAMS_MAX],
					 char allow[HTTP_ALLOW_MAX])
{
	const struct http_route *found = NULL;
	struct spans spans = { .n = 0 }, here;

	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	allow[0] = '\0';
	for (const struct http_route *r = table; r->method; r++) {
		if (!fits(r->path, path, &here))
			continue;
		add_method(allow, r->method);
		if (strcmp(r->method, method) != 0)
			continue;
		found = r;
		spans = here;
	}
	for (unsigned int i = 0; i < spans.n; i++) {
		param[i] = path + spans.at[i];
		path[spans.at[i] + spans.len[i]] = '\0';
	}
	return found;
}

int http_route_query(const struct http_route *r, const char *name)
{
	for (int i = 0; r->query && r->query[i]; i++)
		if (strcmp(r->query[i], name) == 0)
			return i;
	return -1;
}

const char *http_body_text(enum http_body body)
{
	static const char *const words[] = {
		[HTTP_BODY_NONE] = "none",
		[HTTP_BODY_MAY] = "may",
		[HTTP_BODY_MUST] = "must",
	};

	return words[body];
}
