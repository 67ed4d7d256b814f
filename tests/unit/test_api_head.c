/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_api_head.c - answers of hylicsd, whole, in pieces and wrong
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

#include "cli/api.h"
#include "common/limits.h"

static int parse(const char *text, size_t len, struct api_head *h)
{
	char *exact = malloc(len ? len : 1);
	int rc;

	memcpy(exact, text, len);
	rc = api_head_parse(exact, len, h, NULL);
	free(exact);
	return rc;
}

static void takes_headers_only_when_whole(void **state)
{
	static const char text[] = "HTTP/1.1 201 Created\r\nDate: now\r\nCONTENT-length:\t 17 \r\n"
				   "X:\r\n\r\n{";
	struct api_head h = { .status = 7 };

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 2; len++)
		assert_int_equal(parse(text, len, &h), -EAGAIN);
	assert_int_equal(h.status, 7);
	assert_int_equal(parse(text, sizeof(text) - 1, &h), 0);
	assert_int_equal(h.status, 201);
	assert_int_equal(h.body, 17);
	assert_false(h.chunked);
	assert_int_equal(h.len, sizeof(text) - 2);
}

static void takes_streams_and_nothing(void **state)
{
	static const char stream[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
	static const char nothing[] = "HTTP/1.1 204 No Content\r\n\r\n";
	struct api_head h;

	(void)state;
	assert_int_equal(parse(stream, sizeof(stream) - 1, &h), 0);
	assert_true(h.chunked);
	assert_int_equal(parse(nothing, sizeof(nothing) - 1, &h), 0);
	assert_int_equal(h.body, 0);
}

static void refuses_heads(void **state)
{
#define OK "HTTP/1.1 200 OK\r\n"
	static const char *const wrong[] = {
		"\r\n\r\n", "HTTP/1.1\r\n\r\n", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 600 x\r\nContent-Length: 0\r\n\r\n",
		"SSH-2.0-OpenSSH\r\n\r\n", OK "\r\n", OK "Content-Length:\r\n\r\n",
		OK "Content-Length: -1\r\n\r\n", OK "Content-Length: 1x\r\n\r\n",
		OK "Content-Length: 0x1\r\n\r\n", OK "Content-Length: 1 1\r\n\r\n",
		OK "Content-Length: 4194305\r\n\r\n",
		OK "Content-Length: 18446744073709551617\r\n\r\n",
		OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
		OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		OK "Transfer-Encoding: gzip\r\n\r\n", OK "Content-LengthX: 1\r\n\r\n",
	};
	static const char nul[] = OK "X: \0\r\nContent-Length: 0\r\n\r\n";
#undef OK
	struct api_head h = { .status = 7 };
	char *endless = malloc(HY_API_HEAD_MAX);

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(parse(wrong[i], strlen(wrong[i]), &h), -EPROTO);
	assert_int_equal(parse(nul, sizeof(nul) - 1, &h), -EPROTO);
	memset(endless, 'x', HY_API_HEAD_MAX);
	assert_int_equal(parse(endless, HY_API_HEAD_MAX - 1, &h), -EAGAIN);
	assert_int_equal(parse(endless, HY_API_HEAD_MAX, &h), -EPROTO);
	assert_int_equal(h.status, 7);
	free(endless);
}

/* A chunked body in pieces of @step bytes; what comes out, and the last return. */
static int unchunk(const char *text, size_t step, char *out, size_t *out_len)
{
	struct api_chunks c = { .left = 0 };
	size_t len = strlen(text);
	int rc = 0;

	*out_len = 0;
	for (size_t at = 0; rc == 0 && at < len; at += step) {
		size_t n = len - at < step ? len - at : step;

		memcpy(out + *out_len, text + at, n);
		rc = api_chunks_take(&c, out + *out_len, &n, NULL);
		*out_len += n;
	}
	return rc;
}

static void takes_chunks_however_cut(void **state)
{
	static const char text[] = "3\r\nabc\r\n0000a\r\n0123456789\r\nB\r\n\r\n\r\nghijklm\r\n"
				   "0\r\n\r\n";
	char out[128];
	size_t len;

	(void)state;
	for (size_t step = 1; step <= sizeof(text); step++) {
		assert_int_equal(unchunk(text, step, out, &len), 1);
		assert_int_equal(len, 24);
		assert_memory_equal(out, "abc0123456789\r\n\r\nghijklm", 24);
	}
}

static void refuses_chunks(void **state)
{
	static const char *const wrong[] = {
		"\r\n", "x\r\n", "-1\r\n", "1;a=b\r\n", "1\n", "1\rx", "1\r\nab", "1\r\na\r\n\r\n",
		"1000000\r\n", "0\r\nX: y", "0\r\n\r\nx", " 1\r\n",
	};
	char out[128];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(unchunk(wrong[i], 1, out, &len) > 0 ? 1 : 0,
				 strcmp(wrong[i], "0\r\n\r\nx") == 0);
	assert_int_equal(unchunk("0\r\n\r\nx", 6, out, &len), -EPROTO);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(unchunk(wrong[i], 64, out, &len), -EPROTO);
}

static int event(const char *text, struct api_event *out)
{
	return api_event_parse(text, strlen(text), out, NULL);
}

static void takes_events(void **state)
{
	struct api_event made;

	(void)state;
	assert_int_equal(event("id: 18\nevent: vm\ndata: {\"a\":1}\n", &made), 1);
	assert_int_equal(made.id, 18);
	assert_string_equal(made.type, "vm");
	assert_int_equal(json_integer_value(json_object_get(made.data, "a")), 1);
	json_decref(made.data);
	assert_int_equal(event(":\n", &made), 0);
	assert_int_equal(event("", &made), 0);
	assert_int_equal(event("id: x\ndata: {}\n", &made), -EPROTO);
	assert_int_equal(event("id: 99999999999999999999\ndata: {}\n", &made), -EPROTO);
	assert_int_equal(event("data: {\n", &made), -EPROTO);
	assert_int_equal(event("data: {}\ndata: {}\n", &made), -EPROTO);
	assert_int_equal(event("event: 12345678901234567890123456789012\ndata: {}\n", &made),
			 -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_headers_only_when_whole),
		cmocka_unit_test(takes_streams_and_nothing),
		cmocka_unit_test(refuses_heads),
		cmocka_unit_test(takes_chunks_however_cut),
		cmocka_unit_test(refuses_chunks),
		cmocka_unit_test(takes_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
