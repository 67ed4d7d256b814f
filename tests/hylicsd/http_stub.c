/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http_stub.c - a server of the API with a few routes, for tests/system/test_http.py
 *
 * Runs in: the system tests
 * Reads from: clients (the test)
 *
 * Usage: http-stub SOCKET|- REQUEST_MS COMMENT_MS GROUP; "-": the socket is handed over. It says
 * "ready" when it listens, and ends on SIGTERM.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/notify.h"
#include "common/unixsock.h"
#include "hylicsd/http.h"

#define LATE_MAX 300

static struct stub {
	struct ev_loop loop;
	struct http_server http;
	struct http_ref late[LATE_MAX];
	unsigned int n_late, calls;
	struct ev_timer later;
} stub;

static int get_host(void *object, const struct http_request *r, struct hy_err *e)
{
	struct stub *s = object;

	(void)e;
	return http_reply(&s->http, r->ref, 200,
			  json_pack("{s:i,s:i,s:i,s:i}", "calls", s->calls, "conns",
				    s->http.n_conns, "streams", s->http.n_streams, "uid",
				    (int)r->uid));
}

static int get_vm(void *object, const struct http_request *r, struct hy_err *e)
{
	struct stub *s = object;

	if (strcmp(r->param[0], "web1") != 0)
		return hy_err_set(e, ENOENT, "vm '%s'", r->param[0]);
	return http_reply(&s->http, r->ref, 200, json_pack("{s:s}", "name", r->param[0]));
}

static const struct take_member vm_members[] = {
	{ .name = "name", .type = TAKE_STRING, .min = 1, .max = 63, .required = true },
	{ .name = "share", .type = TAKE_SIZE, .offset = 8, .min = 4096 },
	{ .name = NULL },
};

static int post_vm(void *object, const struct http_request *r, struct hy_err *e)
{
	struct stub *s = object;
	struct {
		const char *name;
		uint64_t share;
	} vm = { NULL, 0 };
	int rc = take_object(r->body, vm_members, &vm, NULL, e);

	if (rc < 0)
		return rc;
	s->calls++;
	return http_reply(&s->http, r->ref, 201,
			  json_pack("{s:s,s:I}", "name", vm.name, "share", (json_int_t)vm.share));
}

static int delete_vm(void *object, const struct http_request *r, struct hy_err *e)
{
	struct stub *s = object;

	if (!http_query(r, "force"))
		return hy_err_set(e, EADDRINUSE, "vm '%s'", r->param[0]);
	return http_reply(&s->http, r->ref, 204, NULL);
}

/* Answered by /test/release. */
static int post_drain(void *object, const struct http_request *r, struct hy_err *e)
{
	struct stub *s = object;

	if (s->n_late == LATE_MAX)
		return hy_err_set(e, EBUSY, "late answers");
	s->late[s->n_late++] = r->ref;
	return 0;
}

static int post_release(void *object, const struct http_request *r, struct hy_err *e)
{
	struct stub *s = object;
	bool keep = http_query(r, "keep") != NULL;	/* and try again later */
	int answered = 0;

	(void)e;
	for (unsigned int i = 0; i < s->n_late; i++) {
		json_t *json = json_pack("{s:i}", "turn", i);

		answered += http_reply(&s->http, s->late[i], 200, json) == 0;
	}
	if (!keep)
		s->n_late = 0;
	return http_reply(&s->http, r->ref, 200, json_pack("{s:i}", "answered", answered));
}

/* Answered out of the blue. */
static void later(void *object)
{
	struct stub *s = object;

	http_reply(&s->http, s->late[--s->n_late], 200, json_pack("{s:b}", "later", 1));
}

static int post_later(void *object, const struct http_request *r, struct hy_err *e)
{
	struct stub *s = object;

	(void)e;
	s->late[s->n_late++] = r->ref;
	s->later = (struct ev_timer){ .fn = later, .object = s };
	return ev_timer_set(&s->loop, &s->later, 20);
}

static int get_late(void *object, const struct http_request *r, struct hy_err *e)
{
	struct stub *s = object;

	(void)e;
	return http_reply(&s->http, r->ref, 200, json_pack("{s:i}", "late", s->n_late));
}

static int get_events(void *object, const struct http_request *r, struct hy_err *e)
{
	struct stub *s = object;

	return http_events_add(&s->http, r->ref, e);
}

static int post_events(void *object, const struct http_request *r, struct hy_err *e)
{
	struct stub *s = object;
	json_int_t n = json_integer_value(json_object_get(r->body, "n"));
	const char *text = json_string_value(json_object_get(r->body, "text"));

	(void)e;
	for (json_int_t i = 0; i < n; i++)
		http_event_send(&s->http, "test", json_pack("{s:I,s:s}", "i", i, "text", text));
	return http_reply(&s->http, r->ref, 204, NULL);
}

static int get_error(void *object, const struct http_request *r, struct hy_err *e)
{
	(void)object;
	return hy_err_set(e, atoi(r->param[0]), "vm 'x'");
}

/* More than a socket's buffers take. */
static int get_big(void *object, const struct http_request *r, struct hy_err *e)
{
	struct stub *s = object;
	static char text[3u << 20];

	(void)e;
	memset(text, 'x', sizeof(text) - 1);
	return http_reply(&s->http, r->ref, 200, json_pack("{s:s}", "text", text));
}

static const char *const force[] = { "force", NULL };
static const char *const keep_query[] = { "keep", NULL };

static const struct http_route routes[] = {
	{ "GET", "/v1/host", HTTP_BODY_NONE, NULL, NULL, "", get_host },
	{ "POST", "/v1/vms", HTTP_BODY_MUST, vm_members, NULL, "", post_vm },
	{ "GET", "/v1/vms/{name}", HTTP_BODY_NONE, NULL, NULL, "", get_vm },
	{ "DELETE", "/v1/vms/{name}", HTTP_BODY_NONE, NULL, force, "", delete_vm },
	{ "POST", "/v1/vms/{name}/drain", HTTP_BODY_MAY, NULL, NULL, "", post_drain },
	{ "GET", "/v1/events", HTTP_BODY_NONE, NULL, NULL, "", get_events },
	{ "POST", "/test/release", HTTP_BODY_NONE, NULL, keep_query, "", post_release },
	{ "POST", "/test/later", HTTP_BODY_NONE, NULL, NULL, "", post_later },
	{ "GET", "/test/late", HTTP_BODY_NONE, NULL, NULL, "", get_late },
	{ "POST", "/test/events", HTTP_BODY_MUST, NULL, NULL, "", post_events },
	{ "GET", "/test/error/{errno}", HTTP_BODY_NONE, NULL, NULL, "", get_error },
	{ "GET", "/test/big", HTTP_BODY_NONE, NULL, NULL, "", get_big },
	{ .method = NULL },
};

static void on_signal(void *object, int signo)
{
	(void)signo;
	ev_stop(object, 0);
}

static int serve(char **argv, struct hy_err *e)
{
	static const int stops[] = { SIGTERM, 0 };
	struct hy_log log = { .program = "http-stub", .level = HY_LOG_INFO };
	struct http_config c = {
		.routes = routes, .object = &stub, .log = &log,
		.request_ms = (unsigned int)atoi(argv[2]),
		.comment_ms = (unsigned int)atoi(argv[3]),
		.group = (gid_t)atoi(argv[4]),
	};
	int fd = strcmp(argv[1], "-") == 0 ? hy_notify_listener(e) :
		hy_unix_listen(argv[1], SOCK_STREAM, 0666, 512, e);
	int rc = fd < 0 ? fd : ev_open(&stub.loop, 1024, e);

	if (rc == 0)
		rc = ev_signals(&stub.loop, stops, on_signal, &stub.loop, e);
	if (rc == 0)
		rc = http_open(&stub.http, &stub.loop, fd, &c, e);
	if (rc < 0)
		return rc;
	puts("ready");
	fflush(stdout);
	rc = ev_run(&stub.loop, e);
	http_close(&stub.http);
	ev_close(&stub.loop);
	return rc;
}

int main(int argc, char **argv)
{
	struct hy_err e = { .num = 0 };

	if (argc != 5)
		return HY_EXIT_USAGE;
	signal(SIGPIPE, SIG_IGN);
	if (serve(argv, &e) == 0)
		return 0;
	hy_err_print("http-stub", &e);
	return hy_err_exit(&e);
}
