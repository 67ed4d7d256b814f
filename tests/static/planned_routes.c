/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * planned_routes.c - the routes docs/openapi.json is held against until hylicsd has its own table
 *
 * Runs in: tests/static/check_docs.py
 * Reads from: no untrusted input
 */
#include "tests/static/planned_routes.h"

#include "common/limits.h"

#define SIZE_MIN_BYTES 4096

static const struct take_member add[] = {
	{ .name = "name", .type = TAKE_STRING, .min = 1, .max = HY_NAME_MAX, .required = true },
	{ .name = "share", .type = TAKE_SIZE, .min = SIZE_MIN_BYTES, .required = true },
	{ .name = "memory", .type = TAKE_SIZE, .min = SIZE_MIN_BYTES },
	{ .name = "inodes", .type = TAKE_SIZE, .min = 1 },
	{ .name = "keep", .type = TAKE_STRING, .min = 1, .max = HY_PATH_MAX },
	{ .name = "taps", .type = TAKE_LIST, .max = HY_TWIN_NICS_MAX },
	{ .name = NULL },
};

static const struct take_member set[] = {
	{ .name = "share", .type = TAKE_SIZE, .min = SIZE_MIN_BYTES },
	{ .name = "memory", .type = TAKE_SIZE, .min = SIZE_MIN_BYTES },
	{ .name = "inodes", .type = TAKE_SIZE, .min = 1 },
	{ .name = "keep", .type = TAKE_STRING, .max = HY_PATH_MAX },
	{ .name = "taps", .type = TAKE_LIST, .max = HY_TWIN_NICS_MAX },
	{ .name = NULL },
};

static const struct take_member offload[] = {
	{ .name = "on", .type = TAKE_BOOL, .required = true },
	{ .name = NULL },
};

static const char *const force[] = { "force", NULL };

#define VM "/v1/vms/{name}"

const struct http_route planned_routes[] = {
	{ "GET", "/v1/host", HTTP_BODY_NONE, NULL, NULL,
	  "the host: versions, budget, what is missing", NULL },
	{ "GET", "/v1/vms", HTTP_BODY_NONE, NULL, NULL, "all VMs", NULL },
	{ "POST", "/v1/vms", HTTP_BODY_MUST, add, NULL, "add a VM", NULL },
	{ "GET", VM, HTTP_BODY_NONE, NULL, NULL, "one VM", NULL },
	{ "PATCH", VM, HTTP_BODY_MUST, set, NULL, "change a VM", NULL },
	{ "DELETE", VM, HTTP_BODY_NONE, NULL, force, "remove a VM", NULL },
	{ "POST", VM "/drain", HTTP_BODY_NONE, NULL, NULL,
	  "bring the connections of a VM home, and take no others", NULL },
	{ "POST", VM "/offload", HTTP_BODY_MUST, offload, NULL,
	  "switch the moving of a VM's connections on or off", NULL },
	{ "GET", VM "/why", HTTP_BODY_NONE, NULL, NULL, "why connections of a VM were not moved",
	  NULL },
	{ "GET", "/v1/events", HTTP_BODY_NONE, NULL, NULL, "changes, as a stream without end",
	  NULL },
	{ .method = NULL },
};
