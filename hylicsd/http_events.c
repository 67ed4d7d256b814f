/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http_events.c - streams of server-sent events, all out of one ring of texts
 *
 * Runs in: hylicsd
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/own.h"
#include "hylicsd/http_parts.h"

#define STREAM_BLOCK 4096	/* bytes libmicrohttpd asks for at once */

static const char comment[] = ":\n\n";

static struct http_event *place(struct http_server *s, uint64_t id)
{
	return &s->ring[id % HY_HTTP_EVENTS_MAX];
}

/* Copies what is due and fits; 0 if there is nothing. */
static size_t copy_due(struct http_conn *c, char *out, size_t room)
{
	struct http_server *s = c->server;
	size_t used = 0;

	if (c->comment && !c->event_pos && room >= sizeof(comment) - 1) {
		memcpy(out, comment, sizeof(comment) - 1);
		used = sizeof(comment) - 1;
		c->comment = false;
	}
	while (used < room && c->event < s->next_event) {
		const struct http_event *event = place(s, c->event);
		size_t n = event->len - c->event_pos;

		if (n > room - used)
			n = room - used;
		memcpy(out + used, event->text + c->event_pos, n);
		used += n;
		c->event_pos += n;
		if (c->event_pos == event->len) {
			c->event++;
			c->event_pos = 0;
		}
	}
	return used;
}

/* libmicrohttpd asks for more to write. With nothing due the connection sleeps. */
static ssize_t read_stream(void *conn, uint64_t pos, char *out, size_t room)
{
	struct http_conn *c = conn;
	size_t used;

	(void)pos;
	if (c->cut)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	used = copy_due(c, out, room);
	if (used)
		return (ssize_t)used;
	if (c->server->closing)
		return MHD_CONTENT_READER_END_OF_STREAM;
	c->asleep = true;
	MHD_suspend_connection(c->connection);
	return 0;
}

int http_events_add(struct http_server *s, struct http_ref ref, struct hy_err *e)
{
	struct http_conn *c = http_conn_find(s, ref);
	struct MHD_Response *response;

	if (!c)
		return hy_err_set(e, ENOENT, "events: the client has gone");
	if (s->n_streams == HY_HTTP_STREAMS_MAX)
		return hy_err_set(e, EBUSY, "events: %d clients read them already",
				  HY_HTTP_STREAMS_MAX);
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream,
						     c, NULL);
	if (!response)
		return hy_err_set(e, ENOMEM, "events");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	c->stream = c->comment = true;
	c->event = s->next_event;
	c->event_pos = 0;
	http_answer(c, MHD_HTTP_OK, response);
	if (s->n_streams++ == 0)
		ev_timer_set(s->loop, &s->comments, s->config.comment_ms);
	return 0;
}

void http_stream_wake(struct http_conn *c)
{
	if (!c->asleep)
		return;
	c->asleep = false;
	MHD_resume_connection(c->connection);
	http_turn_soon(c->server);
}

void http_stream_end(struct http_conn *c)
{
	if (!c->stream)
		return;
	c->stream = c->asleep = c->comment = false;
	if (--c->server->n_streams == 0)
		ev_timer_cancel(c->server->loop, &c->server->comments);
}

/* One that does not sleep has something to write, and nobody who reads it. */
void http_events_comment(void *server)
{
	struct http_server *s = server;

	for (unsigned int i = 0; i < HY_HTTP_CONNS_MAX; i++) {
		struct http_conn *c = &s->conns[i];

		if (!c->connection || !c->stream || !c->asleep)
			continue;
		c->comment = true;
		http_stream_wake(c);
	}
	ev_timer_set(s->loop, &s->comments, s->config.comment_ms);
}

/* The text of an event, malloc()ed; NULL without memory. */
static char *event_text(uint64_t id, const char *type, const json_t *json)
{
	char *data = json_dumps(json, JSON_COMPACT);
	char *text = NULL;

	if (data && asprintf(&text, "id: %" PRIu64 "\nevent: %s\ndata: %s\n\n", id, type,
			     data) < 0)
		text = NULL;
	free(data);
	return text;
}

void http_event_send(struct http_server *s, const char *type, json_t *json)
{
	uint64_t id = s->next_event;
	char *text = event_text(id, type, json);
	struct http_event *event = place(s, id);

	json_decref(json);
	for (unsigned int i = 0; i < HY_HTTP_CONNS_MAX; i++) {
		struct http_conn *c = &s->conns[i];

		if (c->connection && c->stream && id - c->event >= HY_HTTP_EVENTS_MAX)
			http_conn_cut(c, "does not read its events");
	}
	free(event->text);
	event->text = text;
	event->len = text ? strlen(text) : 0;
	s->next_event++;
	for (unsigned int i = 0; i < HY_HTTP_CONNS_MAX; i++)
		if (s->conns[i].connection)
			http_stream_wake(&s->conns[i]);
}

void http_events_free(struct http_server *s)
{
	for (unsigned int i = 0; i < HY_HTTP_EVENTS_MAX; i++)
		hy_mem_free(&s->ring[i].text);
}
