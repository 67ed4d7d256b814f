/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http_request.c - one request: refused or taken, its body, its handler, its answer
 *
 * Runs in: hylicsd
 * Reads from: clients of the API (whoever may open the socket; any bytes may come)
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/own.h"
#include "hylicsd/body.h"
#include "hylicsd/http_parts.h"

#define BODY_ROOM_MIN 1024

static const char out_of_memory[] =
	"{\"error\":{\"code\":\"no-memory\",\"message\":\"no memory for the answer\"}}\n";

/* -- answers -- */

/* Without a response, for want of memory, this is said. */
void http_answer(struct http_conn *c, unsigned int status, struct MHD_Response *response)
{
	if (!response) {
		status = MHD_HTTP_INTERNAL_SERVER_ERROR;
		response = MHD_create_response_from_buffer(sizeof(out_of_memory) - 1,
							   (void *)out_of_memory,
							   MHD_RESPMEM_PERSISTENT);
	}
	if (response && status != MHD_HTTP_NO_CONTENT)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
					c->stream ? "text/event-stream" : "application/json");
	c->answer = response;
	c->status = status;
	if (!c->waiting)
		return;
	c->waiting = false;
	MHD_resume_connection(c->connection);
	http_turn_soon(c->server);
}

/* @text is malloc()ed and taken; NULL where there was no memory for it. */
static struct MHD_Response *response_of(char *text, size_t len)
{
	struct MHD_Response *made;

	if (!text)
		return NULL;
	made = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
	if (!made)
		free(text);
	return made;
}

static struct MHD_Response *json_response(const json_t *json)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f;

	if (!json)
		return MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
	f = open_memstream(&text, &len);
	if (!f)
		return NULL;
	if (json_dumpf(json, f, JSON_COMPACT) < 0 || fputc('\n', f) == EOF) {
		fclose(f);
		free(text);
		return NULL;
	}
	return fclose(f) == 0 ? response_of(text, len) : NULL;
}

static void answer_error(struct http_conn *c, unsigned int status, const struct hy_err *e)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (f) {
		hy_err_print_json(f, e);
		if (fclose(f) != 0)
			hy_mem_free(&text);
	}
	http_answer(c, status, response_of(text, len));
}

void http_refuse(struct http_conn *c, unsigned int status, const char *code, const char *fmt, ...)
{
	struct hy_err e = { .num = EINVAL, .code = code, .whole = true };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	answer_error(c, status, &e);
}

/* Only what the client did is its fault: an EINVAL of the kernel is not. */
static unsigned int status_of(const struct hy_err *e)
{
	switch (e->num) {
	case EINVAL:
		return e->code ? MHD_HTTP_BAD_REQUEST : MHD_HTTP_INTERNAL_SERVER_ERROR;
	case EPERM:
	case EACCES:
		return MHD_HTTP_FORBIDDEN;
	case ENOENT:
		return MHD_HTTP_NOT_FOUND;
	case EEXIST:
	case EBUSY:
	case EADDRINUSE:
		return MHD_HTTP_CONFLICT;
	case EAGAIN:
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	case EDQUOT:
	case ENOSPC:
		return MHD_HTTP_INSUFFICIENT_STORAGE;
	default:
		return MHD_HTTP_INTERNAL_SERVER_ERROR;
	}
}

struct http_conn *http_conn_find(struct http_server *s, struct http_ref ref)
{
	struct http_conn *c = ref.slot < HY_HTTP_CONNS_MAX ? &s->conns[ref.slot] : NULL;

	if (!c || !c->connection || c->request.ref.gen != ref.gen || !c->called || c->answer ||
	    c->status)
		return NULL;
	return c;
}

int http_reply(struct http_server *s, struct http_ref ref, unsigned int status, json_t *json)
{
	struct http_conn *c = http_conn_find(s, ref);

	if (c)
		http_answer(c, status, json_response(json));
	json_decref(json);
	return c ? 0 : -ENOENT;
}

int http_fail(struct http_server *s, struct http_ref ref, const struct hy_err *e)
{
	struct http_conn *c = http_conn_find(s, ref);

	if (!c)
		return -ENOENT;
	answer_error(c, status_of(e), e);
	return 0;
}

const char *http_query(const struct http_request *r, const char *name)
{
	int i = http_route_query(r->route, name);

	return i < 0 ? NULL : r->query[i];
}

/* -- headers -- */

static enum MHD_Result take_query(void *conn, enum MHD_ValueKind kind, const char *name,
				  const char *value)
{
	struct http_conn *c = conn;
	int i = http_route_query(c->request.route, name);

	(void)kind;
	if (i < 0 || i >= HTTP_QUERY_MAX || c->request.query[i]) {
		struct hy_err e = { .num = 0 };

		hy_err_usage(&e, name, i < 0 ? "'?%.40s' is not known here"
					     : "'?%.40s' is given twice", name);
		answer_error(c, MHD_HTTP_BAD_REQUEST, &e);
		return MHD_NO;
	}
	c->request.query[i] = value ? value : "";
	return MHD_YES;
}

static void refuse_method(struct http_conn *c, const char *method, const char *allow)
{
	http_refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "no-such-method",
		    "'%.20s' is not possible here, but %s", method, allow);
	if (c->answer)
		MHD_add_response_header(c->answer, MHD_HTTP_HEADER_ALLOW, allow);
}

static void find_route(struct http_conn *c, const char *url, const char *method)
{
	char allow[HTTP_ALLOW_MAX];
	size_t len = strlen(url);

	if (len > HY_HTTP_PATH_MAX) {
		http_refuse(c, MHD_HTTP_URI_TOO_LONG, "no-such-path",
			    "the path has more than %d bytes", HY_HTTP_PATH_MAX);
		return;
	}
	memcpy(c->path, url, len + 1);
	c->request.route = http_route_find(c->server->config.routes, method, c->path,
					   c->request.param, allow);
	if (c->request.route)
		MHD_get_connection_values(c->connection, MHD_GET_ARGUMENT_KIND, take_query, c);
	else if (allow[0])
		refuse_method(c, method, allow);
	else
		http_refuse(c, MHD_HTTP_NOT_FOUND, "no-such-path", "there is no '%s'", url);
}

static uint64_t declared_length(struct http_conn *c)
{
	const char *text = MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND,
						       MHD_HTTP_HEADER_CONTENT_LENGTH);

	return text ? strtoull(text, NULL, 10) : 0;
}

static void check_head(struct http_conn *c, const char *url, const char *method)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	if (!c->allowed)
		http_refuse(c, MHD_HTTP_FORBIDDEN, "not-allowed",
			    "user %u may not use hylicsd: root and members of its group may",
			    (unsigned int)c->request.uid);
	else if (info && info->header_size > HY_HTTP_HEAD_MAX)
		http_refuse(c, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, "too-large",
			    "the headers have more than %d bytes", HY_HTTP_HEAD_MAX);
	else
		find_route(c, url, method);
	if (!c->answer && declared_length(c) > HY_HTTP_BODY_MAX)
		http_refuse(c, MHD_HTTP_CONTENT_TOO_LARGE, "too-large",
			    "the body has more than %d bytes", HY_HTTP_BODY_MAX);
}

/* One that asks before it sends, or has very much to send, is told at once that it need not. */
static bool tell_at_once(struct http_conn *c)
{
	return MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND,
					   MHD_HTTP_HEADER_EXPECT) ||
	       declared_length(c) > HY_HTTP_SWALLOW_MAX;
}

/* -- body -- */

/* Returns false if the sender has to be cut off. */
static bool take_piece(struct http_conn *c, const char *piece, size_t len)
{
	size_t room = c->room ? c->room : BODY_ROOM_MIN;
	char *bytes;

	if (!c->answer && len > HY_HTTP_BODY_MAX - c->len)
		http_refuse(c, MHD_HTTP_CONTENT_TOO_LARGE, "too-large",
			    "the body has more than %d bytes", HY_HTTP_BODY_MAX);
	if (c->answer) {
		c->swallowed += len;
		return c->swallowed <= HY_HTTP_SWALLOW_MAX;
	}
	while (room < c->len + len)
		room *= 2;
	if (room > c->room) {
		bytes = realloc(c->bytes, room);
		if (!bytes)
			return false;
		c->bytes = bytes;
		c->room = room;
	}
	memcpy(c->bytes + c->len, piece, len);
	c->len += len;
	return true;
}

static int parse_body(struct http_conn *c, struct hy_err *e)
{
	const struct http_route *r = c->request.route;

	if (r->body == HTTP_BODY_NONE && c->len)
		return hy_err_usage(e, NULL, "%s %s takes no body", r->method, r->path);
	if (r->body == HTTP_BODY_NONE || (r->body == HTTP_BODY_MAY && !c->len))
		return 0;
	return body_parse(c->bytes, c->len, &c->request.body, e);
}

static void call_handler(struct http_conn *c)
{
	struct http_server *s = c->server;
	struct hy_err e = { .num = 0 };
	int rc = parse_body(c, &e);

	c->called = true;
	if (rc == 0)
		rc = c->request.route->handle(s->config.object, &c->request, &e);
	if (rc < 0 && !c->answer)
		answer_error(c, status_of(&e), &e);
	hy_log(s->config.log, HY_LOG_DEBUG, "API: client %d: %s %s: %s", (int)c->request.pid,
	       c->request.route->method, c->request.route->path,
	       rc < 0 ? e.text : c->answer ? "answered" : "answered later");
}

/* -- one step -- */

static enum MHD_Result hand_over(struct http_conn *c)
{
	struct MHD_Response *response = c->answer;
	enum MHD_Result rc = MHD_queue_response(c->connection, c->status, response);

	c->answer = NULL;
	MHD_destroy_response(response);		/* libmicrohttpd holds its own reference */
	http_conn_time(c, c->stream ? 0 : c->server->config.request_ms);
	return rc;
}

static enum MHD_Result begin(struct http_conn *c, const char *url, const char *method)
{
	check_head(c, url, method);
	return c->answer && tell_at_once(c) ? hand_over(c) : MHD_YES;
}

/* NOLINTNEXTLINE(readability-function-size): libmicrohttpd has so many arguments for it */
enum MHD_Result http_request_step(void *object, struct MHD_Connection *connection,
				  const char *url, const char *method, const char *version,
				  const char *piece, size_t *len, void **slot)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct http_conn *c = info ? info->socket_context : NULL;
	bool taken;

	(void)object;
	(void)version;
	if (!c)
		return MHD_NO;
	if (!*slot) {
		*slot = c;
		return begin(c, url, method);
	}
	if (*len) {
		taken = take_piece(c, piece, *len);
		*len = 0;
		return taken ? MHD_YES : MHD_NO;
	}
	if (!c->called && !c->answer)
		call_handler(c);
	if (c->answer)
		return hand_over(c);
	c->waiting = true;
	http_conn_time(c, 0);
	MHD_suspend_connection(connection);
	return MHD_YES;
}

void http_request_end(struct http_conn *c)
{
	http_stream_end(c);
	json_decref(c->request.body);
	if (c->answer)
		MHD_destroy_response(c->answer);
	hy_mem_free(&c->bytes);
	c->request = (struct http_request){
		.ref = { .slot = c->request.ref.slot, .gen = c->request.ref.gen + 1 },
		.uid = c->request.uid,
		.pid = c->request.pid,
	};
	c->answer = NULL;
	c->status = 0;
	c->len = c->room = c->swallowed = 0;
	c->called = c->waiting = false;
}
