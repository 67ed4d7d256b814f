/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http_parts.h - what the files of http share among themselves; others include http.h
 *
 * Runs in: hylicsd
 * Reads from: no untrusted input
 */
#ifndef HTTP_PARTS_H
#define HTTP_PARTS_H

#include <microhttpd.h>

#include "hylicsd/http.h"

/**
 * http_request_step() - libmicrohttpd's handler: headers have come, a piece of body, or its end
 * @object:	Server
 * @connection:	Whose
 * @url:	Path, not unescaped
 * @method:	"GET"
 * @version:	"HTTP/1.1"
 * @piece:	Of the body
 * @len:	Of the piece, set to what was not taken; 0: the body is whole
 * @slot:	NULL at the first call for a request
 *
 * Return: MHD_NO to close the connection
 */
enum MHD_Result http_request_step(void *object, struct MHD_Connection *connection,
				  const char *url, const char *method, const char *version,
				  const char *piece, size_t *len, void **slot);

/* The request is over, however: its slot's memory is given back, and nothing names it any more. */
void http_request_end(struct http_conn *c);

/**
 * http_answer() - Keep an answer for the next step, and wake the connection if it waits
 * @c:		Without an answer
 * @status:	HTTP
 * @response:	Taken
 */
void http_answer(struct http_conn *c, unsigned int status, struct MHD_Response *response);

/* The connection of a request that has no answer yet; NULL if there is none. */
struct http_conn *http_conn_find(struct http_server *s, struct http_ref ref);

/**
 * http_refuse() - Answer a request for which no handler does
 * @c:		Without an answer
 * @status:	HTTP
 * @code:	For scripts; a literal
 * @fmt:	The whole sentence
 */
void http_refuse(struct http_conn *c, unsigned int status, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Give libmicrohttpd a turn soon: it does not notice what is resumed outside of its own. */
void http_turn_soon(struct http_server *s);

/* The connection gets so long from now on for what it is at; 0: for ever. */
void http_conn_time(struct http_conn *c, unsigned int ms);

/* Cut a connection off; libmicrohttpd sees that it has ended. */
void http_conn_cut(struct http_conn *c, const char *why);

/* A stream that sleeps has something to write, or has ended. */
void http_stream_wake(struct http_conn *c);

/* The stream is over. */
void http_stream_end(struct http_conn *c);

/* Give back the events. */
void http_events_free(struct http_server *s);

/* A comment to every stream that sleeps; the timer of the server's comments. */
void http_events_comment(void *server);

#endif
