/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * api_call.c - asks a server of the API as the commands do, for tests/system/test_http.py
 *
 * Runs in: the system tests
 * Reads from: the server
 *
 * Usage: api-call RUN-DIR METHOD PATH [JSON], or api-call RUN-DIR EVENTS N: prints the answer, or N
 * events; exit codes and errors as of every command with --json.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/api.h"
#include "common/own.h"

static int print_events(const char *run_dir, int n, struct hy_err *e)
{
	static struct api_events events;
	int rc = api_events_open(&events, run_dir, e);

	if (rc < 0)
		return rc;
	puts("open");
	fflush(stdout);
	for (int i = 0; i < n && rc >= 0; i++) {
		struct api_event event;

		rc = api_events_next(&events, -1, &event, e);
		if (rc <= 0)
			break;
		printf("%" PRIu64 " %s ", event.id, event.type);
		json_dumpf(event.data, stdout, JSON_COMPACT);
		puts("");
		json_decref(event.data);
	}
	api_events_close(&events);
	return rc < 0 ? rc : 0;
}

static int call(int argc, char **argv, struct hy_err *e)
{
	json_t *body = argc > 4 ? json_loads(argv[4], 0, NULL) : NULL;
	json_t *answer = NULL;
	int rc = api_call(argv[1], argv[2], argv[3], body, &answer, e);

	json_decref(body);
	if (rc == 0 && answer)
		json_dumpf(answer, stdout, JSON_COMPACT);
	json_decref(answer);
	return rc;
}

int main(int argc, char **argv)
{
	struct hy_err e = { .num = 0 };
	int rc;

	if (argc < 4)
		return HY_EXIT_USAGE;
	rc = strcmp(argv[2], "EVENTS") == 0 ? print_events(argv[1], atoi(argv[3]), &e) :
		call(argc, argv, &e);
	if (rc == 0)
		return 0;
	hy_err_print("api-call", &e);
	hy_err_print_json(stdout, &e);
	return hy_err_exit(&e);
}
