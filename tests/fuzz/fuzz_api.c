/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_api.c - any bytes as a body that hylicsd takes, and as an answer that hylics takes
 *
 * Runs in: the fuzz tests
 * Reads from: the fuzzer
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/api.h"
#include "hylicsd/body.h"
#include "hylicsd/http_route.h"
#include "hylicsd/take.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

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

static void require(int holds)
{
	if (!holds)
		abort();
}

static void as_body(const char *text, size_t len)
{
	struct hy_err e = { .num = 0 };
	struct values v = { .share = 4096 };
	uint64_t given = 0;
	json_t *json = NULL;
	int rc = body_parse(text, len, &json, &e);

	require((rc == 0) == (json != NULL));
	if (rc == 0)
		rc = take_object(json, table, &v, &given, &e);
	require(rc == 0 ? given & 1 && strlen(v.name) >= 1 && strlen(v.name) <= 8
			: e.num == -rc && e.text[0]);
	require(rc < 0 || (v.share >= 4096 && v.share <= 1u << 30 && v.taps.n <= 3));
	json_decref(json);
}

/* Cut in two, the same comes out as in one. */
static void as_chunks(const char *text, size_t len)
{
	struct api_chunks whole = { .left = 0 }, parts = { .left = 0 };
	size_t n = len, first = len / 3, second = len - len / 3;
	char *once = malloc(len + 1), *twice = malloc(len + 1);
	int rc, rc_parts;

	require(once && twice);
	memcpy(once, text, len);
	memcpy(twice, text, len);
	rc = api_chunks_take(&whole, once, &n, NULL);
	rc_parts = api_chunks_take(&parts, twice, &first, NULL);
	if (rc_parts == 0) {
		memmove(twice + first, text + len / 3, second);
		rc_parts = api_chunks_take(&parts, twice + first, &second, NULL);
		if (rc >= 0)
			require(rc == rc_parts && n == first + second &&
				memcmp(once, twice, n) == 0);
	}
	require(rc < 0 || n <= len);
	free(once);
	free(twice);
}

static void as_answer(const char *text, size_t len)
{
	struct hy_err e = { .num = 0 };
	struct api_event event;
	struct api_head h;

	if (api_head_parse(text, len, &h, &e) == 0)
		require(h.len <= len && h.len >= 4 && h.status >= 200 && h.status <= 599);
	if (api_event_parse(text, len, &event, &e) == 1) {
		require(strlen(event.type) < sizeof(event.type) && event.data != NULL);
		json_decref(event.data);
	}
}

static void as_path(const char *text, size_t len)
{
	static const struct http_route routes[] = {
		{ .method = "GET", .path = "/v1/vms/{name}" },
		{ .method = "GET", .path = "/v1/{a}/x/{b}" },
		{ .method = NULL },
	};
	const char *param[HTTP_PARAMS_MAX] = { NULL };
	char *path = malloc(len + 1), allow[HTTP_ALLOW_MAX];

	require(path != NULL);
	memcpy(path, text, len);
	path[len] = '\0';
	if (http_route_find(routes, "GET", path, param, allow))
		require(param[0] && param[0][0] && !strchr(param[0], '/'));
	free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	as_body((const char *)bytes, len);
	as_chunks((const char *)bytes, len);
	as_answer((const char *)bytes, len);
	as_path((const char *)bytes, len);
	return 0;
}
