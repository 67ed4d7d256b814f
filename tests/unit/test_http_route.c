/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_http_route.c - paths and methods find their route, or what is possible instead
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "hylicsd/http_route.h"

static const char *const query[] = { "force", "wait", NULL };

static const struct http_route table[] = {
	{ .method = "GET", .path = "/v1/vms", .summary = "list" },
	{ .method = "POST", .path = "/v1/vms", .summary = "add" },
	{ .method = "GET", .path = "/v1/vms/{name}", .summary = "show" },
	{ .method = "DELETE", .path = "/v1/vms/{name}", .summary = "remove", .query = query },
	{ .method = "POST", .path = "/v1/vms/{name}/drain", .summary = "drain" },
	{ .method = "GET", .path = "/v1/{a}/x/{b}", .summary = "two" },
	{ .method = NULL },
};

static char path[128], allow[HTTP_ALLOW_MAX];
static const char *param[HTTP_PARAMS_MAX];

static const char *found(const char *method, const char *at)
{
	const struct http_route *r;

	snprintf(path, sizeof(path), "%s", at);
	param[0] = param[1] = NULL;
	r = http_route_find(table, method, path, param, allow);
	return r ? r->summary : "";
}

static void finds(void **state)
{
	(void)state;
	assert_string_equal(found("GET", "/v1/vms"), "list");
	assert_string_equal(found("HEAD", "/v1/vms"), "list");
	assert_string_equal(found("POST", "/v1/vms"), "add");
	assert_null(param[0]);
	assert_string_equal(found("GET", "/v1/vms/web1"), "show");
	assert_string_equal(param[0], "web1");
	assert_string_equal(found("POST", "/v1/vms/web1/drain"), "drain");
	assert_string_equal(param[0], "web1");
	assert_string_equal(found("GET", "/v1/one/x/two"), "two");
	assert_string_equal(param[0], "one");
	assert_string_equal(param[1], "two");
}

static void tells_what_is_possible(void **state)
{
	(void)state;
	assert_string_equal(found("PUT", "/v1/vms"), "");
	assert_string_equal(allow, "GET, HEAD, POST");
	assert_string_equal(found("GET", "/v1/vms/a/drain"), "");
	assert_string_equal(allow, "POST");
	assert_string_equal(path, "/v1/vms/a/drain");
	assert_string_equal(found("get", "/v1/vms"), "");
}

static void knows_no_other(void **state)
{
	static const char *const wrong[] = {
		"", "/", "/v1", "/v1/", "/v1/vmsx", "/v1/vm", "/v1/vms/", "//v1/vms", "/v1//vms",
		"/v1/vms/a/", "/v1/vms/a/drain/", "/v1/vms/a/drainx", "/v1/vms/a/b",
		"/v1/vms//drain", "/v1/a/x/", "v1/vms",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_string_equal(found("GET", wrong[i]), "");
		assert_string_equal(allow, "");
	}
}

static void knows_its_query(void **state)
{
	(void)state;
	assert_int_equal(http_route_query(&table[3], "force"), 0);
	assert_int_equal(http_route_query(&table[3], "wait"), 1);
	assert_int_equal(http_route_query(&table[3], "forced"), -1);
	assert_int_equal(http_route_query(&table[0], "force"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds),
		cmocka_unit_test(tells_what_is_possible),
		cmocka_unit_test(knows_no_other),
		cmocka_unit_test(knows_its_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
