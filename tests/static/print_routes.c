/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * print_routes.c - prints the routes of the API and what their bodies have, for docs/openapi.json
 *
 * Runs in: tests/static/check_docs.py
 * Reads from: no untrusted input
 *
 * A row per line, fields with tabs between them, "-" for nothing:
 *
 *	route METHOD PATH BODY QUERY SUMMARY	BODY: none, may or must; QUERY: names with commas
 *	member METHOD PATH NAME TYPE REQUIRED MIN MAX
 */
#include <inttypes.h>
#include <stdio.h>

#include "hylicsd/api.h"

static void print_query(const struct http_route *r)
{
	if (!r->query || !r->query[0])
		printf("-");
	for (unsigned int i = 0; r->query && r->query[i]; i++)
		printf("%s%s", i ? "," : "", r->query[i]);
}

static void print_members(const struct http_route *r)
{
	for (const struct take_member *m = r->members; m && m->name; m++)
		printf("member\t%s\t%s\t%s\t%s\t%s\t%" PRIu64 "\t%" PRIu64 "\n", r->method, r->path,
		       m->name, take_type_text(m->type), m->required ? "required" : "optional",
		       m->min, m->max);
}

int main(void)
{
	for (const struct http_route *r = api_routes; r->method; r++) {
		printf("route\t%s\t%s\t%s\t", r->method, r->path, http_body_text(r->body));
		print_query(r);
		printf("\t%s\n", r->summary);
		print_members(r);
	}
	return 0;
}
