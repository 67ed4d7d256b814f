/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http.h - the API's server: HTTP/1.1 and JSON over a unix socket, inside the event loop
 *
 * Runs in: hylicsd
 * Reads from: clients of the API (whoever may open the socket; any bytes may come)
 *
 * DOC: One request
 *
 * libmicrohttpd reads and writes; it has no thread, and is called when its epoll descriptor is
 * readable or its timeout is over. Per connection there is one slot, and in it at most one request:
 *
 *	idle -> reading -> asked -> answered -> idle
 *	                      \-> waiting -/
 *
 * "reading" ends when the body is whole; before it, a request may already be known to be refused,
 * and its body is read and thrown away, so that the sender gets to read why. "waiting" is a
 * handler that answers later: libmicrohttpd does not look at the connection meanwhile. A request
 * is named by slot and generation, never by a pointer, so that an answer to a client that has
 * gone finds nothing.
 *
 * A request has HY_HTTP_REQUEST_MS to be whole, counted from the connection or from the answer
 * before it; its answer as long to be read. Then the connection is cut. A handler has all the time
 * it takes. Connections past HY_HTTP_CONNS_MAX wait unaccepted until another one ends.
 *
 * libmicrohttpd reads its descriptors when an edge tells it to, as much as there is, and does not
 * look again for the end that came along with the last bytes. So ours watches for ends, too: a
 * request that can no more be whole, and a stream that nobody reads, are cut at once.
 *
 * A stream of events is an answer without end. All streams share one ring of the newest
 * HY_HTTP_EVENTS_MAX events; one whose next event is overwritten reads too slowly, and is cut.
 */
#ifndef HTTP_H
#define HTTP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/ev.h"
#include "common/limits.h"
#include "common/log.h"
#include "hylicsd/http_route.h"

struct MHD_Daemon;
struct MHD_Connection;
struct MHD_Response;
struct http_server;

/* Names a request as long as it lasts, and nothing afterwards. */
struct http_ref {
	uint32_t slot;
	uint32_t gen;
};

struct http_request {
	struct http_ref ref;
	uid_t uid;		/* of the client, from the kernel */
	pid_t pid;
	const struct http_route *route;
	const char *param[HTTP_PARAMS_MAX];	/* what stands for "{...}" */
	const char *query[HTTP_QUERY_MAX];	/* NULL: not given; see http_query() */
	json_t *body;		/* NULL: none; an object */
};

struct http_conn {
	struct http_request request;
	struct http_server *server;
	struct MHD_Connection *connection;	/* NULL: the slot is free */
	int fd;			/* libmicrohttpd's */
	bool allowed;
	/* the request */
	char path[HY_HTTP_PATH_MAX + 1];
	char *bytes;		/* of the body */
	size_t len, room, swallowed;
	bool called;		/* its handler */
	bool waiting;		/* the handler answers later */
	struct MHD_Response *answer;	/* made, not yet handed to libmicrohttpd */
	unsigned int status;
	uint64_t deadline_ms;	/* 0: none */
	bool cut;
	bool hung;		/* the peer sends no more */
	/* the stream of events, if it is one */
	bool stream, asleep, comment;
	uint64_t event;		/* the next */
	size_t event_pos;	/* what has gone of it */
};

struct http_event {
	char *text;		/* NULL: none yet */
	size_t len;
};

struct http_config {
	const struct http_route *routes;
	void *object;		/* for the handlers */
	const struct hy_log *log;
	gid_t group;		/* its members may ask; (gid_t)-1: only root and our own uid */
	unsigned int request_ms, comment_ms;	/* 0: as in limits.h */
};

struct http_server {
	struct http_config config;
	struct ev_loop *loop;
	struct MHD_Daemon *daemon;
	int epfd;		/* libmicrohttpd's */
	struct ev_timer turn, sweep, comments;
	bool closing, freed, hung;
	struct hy_log_rate library, cuts;
	unsigned int n_conns, n_streams;
	uint64_t next_event;
	struct http_event ring[HY_HTTP_EVENTS_MAX];
	struct http_conn conns[HY_HTTP_CONNS_MAX];
};

/**
 * http_open() - Serve
 * @s:		Filled on success; must stay where it is
 * @l:		Loop; of its timers three are used
 * @listener:	Listening unix socket; the server's on success, closed with it
 * @c:		Copied; what it points at must outlive the server
 * @e:		Error
 *
 * Return: 0, -errno
 */
int http_open(struct http_server *s, struct ev_loop *l, int listener, const struct http_config *c,
	      struct hy_err *e);

/* Ends: requests that wait are answered with 503, streams end, all connections are closed. */
void http_close(struct http_server *s);

/**
 * http_reply() - Answer a request, from its handler or later
 * @s:		Server
 * @ref:	Of the request
 * @status:	200, 201, 202, 204
 * @json:	The reference is taken; NULL: nothing
 *
 * Return: 0, -ENOENT if the client has gone or has its answer
 */
int http_reply(struct http_server *s, struct http_ref ref, unsigned int status, json_t *json);

/**
 * http_fail() - Answer with an error, later; a handler returns it instead
 * @s:		Server
 * @ref:	Of the request
 * @e:		Error; the status follows from it
 *
 * Return: 0, -ENOENT if the client has gone or has its answer
 */
int http_fail(struct http_server *s, struct http_ref ref, const struct hy_err *e);

/**
 * http_query() - What stands behind the question mark
 * @r:		Request
 * @name:	One its route knows
 *
 * Return: the text, "" if there is only the name, NULL if it is not given
 */
const char *http_query(const struct http_request *r, const char *name);

/**
 * http_events_add() - Answer a request with a stream of all events from now on
 * @s:		Server
 * @ref:	Of the request
 * @e:		Error; EBUSY with HY_HTTP_STREAMS_MAX streams
 *
 * Return: 0, -errno
 */
int http_events_add(struct http_server *s, struct http_ref ref, struct hy_err *e);

/**
 * http_event_send() - Tell all streams
 * @s:		Server
 * @type:	One word
 * @json:	The reference is taken
 *
 * Never blocks and never fails; without memory for it an event is lost, which its readers see
 * from the ids.
 */
void http_event_send(struct http_server *s, const char *type, json_t *json);

#endif
