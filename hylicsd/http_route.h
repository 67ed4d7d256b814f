/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http_route.h - the table of what the API can be asked: dispatch, refusals and documentation
 *
 * Runs in: hylicsd
 * Reads from: clients of the API (methods and paths)
 */
#ifndef HTTP_ROUTE_H
#define HTTP_ROUTE_H

#include <stdbool.h>

#include "common/err.h"
#include "hylicsd/take.h"

#define HTTP_PARAMS_MAX 2	/* "{name}" in one path */
#define HTTP_QUERY_MAX 8	/* names behind the question mark that one route knows */
#define HTTP_ALLOW_MAX 64	/* bytes of "GET, HEAD, POST, ..." */

struct http_request;

enum http_body {
	HTTP_BODY_NONE,		/* one is refused */
	HTTP_BODY_MAY,		/* an object, or nothing */
	HTTP_BODY_MUST,		/* an object */
};

struct http_route {
	const char *method;		/* "GET", which serves HEAD, too; NULL ends the table */
	const char *path;		/* "/v1/vms/{name}" */
	enum http_body body;
	/* of the body, for the documentation; may be NULL */
	const struct take_member *members;
	/* names behind the question mark, ended by NULL; may be NULL */
	const char *const *query;
	const char *summary;		/* as in docs/openapi.json */
	/*
	 * Answers with http_reply(), now or from a later event. A negative return, and @e, is
	 * answered as an error at once. @r is good until the return; keep r->ref.
	 */
	int (*handle)(void *object, const struct http_request *r, struct hy_err *e);
};

/**
 * http_route_find() - Find who answers
 * @table:	Routes
 * @method:	Any text
 * @path:	Any text; where it is found, params in it are ended by NUL
 * @param:	Filled with what stands for "{...}", in @path
 * @allow:	Filled with the methods of that path; "" if nobody knows it
 *
 * Return: the route, NULL if no path fits, or none with this method
 */
const struct http_route *http_route_find(const struct http_route *table, const char *method,
					 char *path, const char *param[HTTP_PARAMS_MAX],
					 char allow[HTTP_ALLOW_MAX]);

/**
 * http_route_query() - Find a name of a route's query
 * @r:		Route
 * @name:	Any text
 *
 * Return: its number, -1 if the route does not know it
 */
int http_route_query(const struct http_route *r, const char *name);

/* "none", "may", "must" */
const char *http_body_text(enum http_body body);

#endif
