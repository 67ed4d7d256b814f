/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_take.c - bodies to objects and objects to values: taken, or refused by name with a reason
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/limits.h"
#include "hylicsd/body.h"
#include "hylicsd/take.h"

struct values {
	const char *name;
	uint64_t share;
	bool on;
	struct take_list taps;
};

static const struct take_member table[] = {
	{ .name = "name", .type = TAKE_STRING, .offset = offsetof(struct values, name),
	  .min = 1, .max = 8, .required = true },
	{ .name = "share", .type = TAKE_SIZE, .offset = offsetof(struct values, share),
	  .min = 4096, .max = 1u << 30 },
	{ .name = "on", .type = TAKE_BOOL, .offset = offsetof(struct values, on) },
	{ .name = "taps", .type = TAKE_LIST, .offset = offsetof(struct values, taps), .max = 3 },
	{ .name = NULL },
};

/* Return and error of body_parse() and take_object(); the values' texts are gone then. */
static int take(const char *text, struct values *v, uint64_t *given, struct hy_err *e)
{
	json_t *json = NULL;
	int rc = body_parse(text, strlen(text), &json, e);

	*v = (struct values){ .name = "before", .share = 7 };
	if (rc == 0)
		rc = take_object(json, table, v, given, e);
	json_decref(json);
	return rc;
}

static void takes_each_type(void **state)
{
	static const char text[] = "{\"name\":\"web1\",\"share\":\"64M\",\"on\":true,"
				   "\"taps\":[\"a\",\"b\"]}";
	struct values v = { .share = 0 };
	uint64_t given = 0;
	json_t *json = NULL;

	(void)state;
	assert_int_equal(body_parse(text, strlen(text), &json, NULL), 0);
	assert_int_equal(take_object(json, table, &v, &given, NULL), 0);
	assert_string_equal(v.name, "web1");
	assert_int_equal(v.share, 64u << 20);
	assert_true(v.on);
	assert_int_equal(v.taps.n, 2);
	assert_string_equal(v.taps.item[1], "b");
	assert_int_equal(given, 15);
	json_decref(json);
}

static void what_is_not_given_stays(void **state)
{
	struct values v;
	uint64_t given = 0;

	(void)state;
	assert_int_equal(take("{\"name\":\"a\"}", &v, &given, NULL), 0);
	assert_int_equal(v.share, 7);
	assert_int_equal(given, 1);
	assert_int_equal(take("{\"name\":\"a\",\"on\":false}", &v, &given, NULL), 0);
	assert_int_equal(given, 5);
	assert_int_equal(take("{\"name\":\"12345678\",\"share\":4096,\"taps\":[]}", &v, &given,
			      NULL), 0);
	assert_int_equal(take("{\"name\":\"a\",\"share\":\"1G\"}", &v, &given, NULL), 0);
	assert_int_equal(v.share, 1u << 30);
}

static void refuses_members_by_name(void **state)
{
	static const struct {
		const char *text, *field, *says;
	} wrong[] = {
		{ "{}", "name", "missing" },
		{ "{\"name\":5}", "name", "text" },
		{ "{\"name\":null}", "name", "text" },
		{ "{\"name\":\"\"}", "name", "from 1 to 8 bytes" },
		{ "{\"name\":\"123456789\"}", "name", "from 1 to 8 bytes" },
		{ "{\"name\":\"a\",\"share\":4095}", "share", "from 4096" },
		{ "{\"name\":\"a\",\"share\":0}", "share", "from 4096" },
		{ "{\"name\":\"a\",\"share\":-1}", "share", "want a size" },
		{ "{\"name\":\"a\",\"share\":64.5}", "share", "want a size" },
		{ "{\"name\":\"a\",\"share\":\"64MB\"}", "share", "want a size" },
		{ "{\"name\":\"a\",\"share\":\"-1\"}", "share", "want a size" },
		{ "{\"name\":\"a\",\"share\":\"18446744073709551616\"}", "share", "too large" },
		{ "{\"name\":\"a\",\"share\":\"2G\"}", "share", "to 1073741824" },
		{ "{\"name\":\"a\",\"share\":true}", "share", "want a size" },
		{ "{\"name\":\"a\",\"on\":1}", "on", "true or false" },
		{ "{\"name\":\"a\",\"on\":\"true\"}", "on", "true or false" },
		{ "{\"name\":\"a\",\"taps\":\"x\"}", "taps", "list" },
		{ "{\"name\":\"a\",\"taps\":[\"x\",1]}", "taps", "list" },
		{ "{\"name\":\"a\",\"taps\":[\"1\",\"2\",\"3\",\"4\"]}", "taps", "to 3" },
		{ "{\"name\":\"a\",\"shared\":1}", "shared", "not known" },
		{ "{\"name\":\"a\",\"\":1}", "", "not known" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct hy_err e = { .num = 0 };
		struct values v;

		assert_int_equal(take(wrong[i].text, &v, NULL, &e), -EINVAL);
		assert_string_equal(e.field, wrong[i].field);
		assert_non_null(strstr(e.text, wrong[i].says));
		assert_int_equal(hy_err_exit(&e), HY_EXIT_USAGE);
	}
}

static void an_endless_name_is_shown_in_part(void **state)
{
	static char text[60000];
	struct hy_err e = { .num = 0 };
	struct values v;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "{\"", 2);
	memcpy(text + sizeof(text) - 5, "\":1}", 5);
	assert_int_equal(take(text, &v, NULL, &e), -EINVAL);
	assert_true(strlen(e.field) < 50 && strlen(e.text) < 100);
}

static void refuses_bodies(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} wrong[] = {
#define TEXT(t) { t, sizeof(t) - 1 }
		TEXT(""), TEXT(" "), TEXT("[]"), TEXT("5"), TEXT("null"), TEXT("\"x\""), TEXT("{"),
		TEXT("{}}"), TEXT("{} {}"), TEXT("{\"a\":1,\"a\":2}"), TEXT("{\"a\":\"\\u0000\"}"),
		TEXT("{\"a\":\"x\0y\"}"), TEXT("{\"a\\u0000\":1}"), TEXT("{}\0"),
		TEXT("{\"a\":\"\xff\"}"), TEXT("{\"a\":\"\xc0\x80\"}"), TEXT("{\"a\":\"\\ud800\"}"),
		TEXT("{\"a\":18446744073709551616}"), TEXT("{\"a\":1e999}"), TEXT("{'a':1}"),
		TEXT("{\"a\":01}"), TEXT("{\"a\":NaN}"), TEXT("{\"a\":1,}"), TEXT("{\"a\"}"),
#undef TEXT
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct hy_err e = { .num = 0 };
		json_t *json = NULL;

		assert_int_equal(body_parse(wrong[i].text, wrong[i].len, &json, &e), -EINVAL);
		assert_null(json);
		assert_true(strlen(e.text) > 10);
	}
}

/* {"a":{"a":...1...}}, that many objects; a text in it has brackets, which count for nothing. */
static int levels(unsigned int n, char open, struct hy_err *e)
{
	char *text = malloc(n * 6 + 64);
	size_t used = (size_t)sprintf(text, "{\"b\":\"[[[[[[[[[\\\"[[[[[{{{{{{\",\"a\":");
	json_t *json = NULL;
	int rc;

	for (unsigned int i = 1; i < n; i++)
		used += (size_t)sprintf(text + used, open == '{' ? "{\"a\":" : "[");
	used += (size_t)sprintf(text + used, "1");
	for (unsigned int i = 1; i < n; i++)
		text[used++] = open == '{' ? '}' : ']';
	text[used++] = '}';
	rc = body_parse(text, used, &json, e);
	json_decref(json);
	free(text);
	return rc;
}

static void refuses_depth(void **state)
{
	struct hy_err e = { .num = 0 };

	(void)state;
	assert_int_equal(levels(HY_JSON_DEPTH_MAX, '{', &e), 0);
	assert_int_equal(levels(HY_JSON_DEPTH_MAX, '[', &e), 0);
	assert_int_equal(levels(HY_JSON_DEPTH_MAX + 1, '{', &e), -EINVAL);
	assert_int_equal(levels(HY_JSON_DEPTH_MAX + 1, '[', &e), -EINVAL);
	assert_int_equal(levels(100, '{', &e), -EINVAL);
	assert_string_equal(e.text, "JSON of 100 levels: at most 32 are taken");
	assert_int_equal(levels(1000000, '[', &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_each_type),
		cmocka_unit_test(what_is_not_given_stays),
		cmocka_unit_test(refuses_members_by_name),
		cmocka_unit_test(an_endless_name_is_shown_in_part),
		cmocka_unit_test(refuses_bodies),
		cmocka_unit_test(refuses_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
