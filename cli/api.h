/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * api.h - asks hylicsd: HTTP/1.1 and JSON over its unix socket
 *
 * Runs in: hylics
 * Reads from: hylicsd, or whatever listens at its socket
 */
#ifndef API_H
#define API_H

#include <jansson.h>
#include <stdint.h>

#include "cli/api_head.h"
#include "common/err.h"
#include "common/limits.h"

#define API_EVENT_MAX HY_HTTP_BODY_MAX	/* bytes of one event */

/**
 * api_call() - One request and its answer
 * @run_dir:	Of hylicsd; NULL: $HYLICS_RUN_DIR, else /run/hylics
 * @method:	"GET"
 * @path:	"/v1/vms/web1?force"; names in it may come from the command line, and are refused
 *		here where a path would need an escape for them
 * @body:	NULL: none; stays the caller's
 * @answer:	Set on success: the caller's reference, NULL if the answer has no body
 * @e:		Error: hylicsd's own, or that it cannot be reached (ECONNREFUSED), does not answer
 *		within HY_API_WAIT_MS (ETIMEDOUT), or ended meanwhile (ECONNRESET)
 *
 * Return: 0, -errno
 */
int api_call(const char *run_dir, const char *method, const char *path, const json_t *body,
	     json_t **answer, struct hy_err *e);

struct api_event {
	uint64_t id;
	char type[32];
	json_t *data;		/* the reader's reference */
};

struct api_events {
	int fd;
	struct api_chunks chunks;
	size_t len;		/* of what has come and was not taken */
	char text[API_EVENT_MAX];
};

/**
 * api_events_open() - Ask for the stream of events
 * @s:		Filled on success
 * @run_dir:	As of api_call()
 * @e:		Error
 */
int api_events_open(struct api_events *s, const char *run_dir, struct hy_err *e);

/**
 * api_events_next() - Wait for the next event
 * @s:		Stream
 * @wait_ms:	-1: for ever
 * @event:	Set if one came
 * @e:		Error
 *
 * Return: 1 if one came, 0 if none came in time, -errno (ECONNRESET: hylicsd has ended)
 */
int api_events_next(struct api_events *s, int wait_ms, struct api_event *event,
		    struct hy_err *e);

/* Give back what api_events_open() took. */
void api_events_close(struct api_events *s);

/**
 * api_event_parse() - Make an event of its lines
 * @text:	The lines, with the newline of the last one
 * @len:	How much
 * @event:	Set if it is one
 * @e:		Error
 *
 * Return: 1, 0 if it is only comments, -EPROTO
 */
int api_event_parse(const char *text, size_t len, struct api_event *event, struct hy_err *e);

#endif
