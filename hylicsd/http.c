/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http.c - the API's server: libmicrohttpd in the event loop, connections, who may ask
 *
 * Runs in: hylicsd
 * Reads from: clients of the API (whoever may open the socket; any bytes may come)
 */
#include "hylicsd/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/own.h"
#include "hylicsd/http_parts.h"

/*
 * A connection's memory in libmicrohttpd: the largest headers, which it stores with a list of
 * where they are, and what it writes.
 */
#define POOL_BYTES (2u * HY_HTTP_HEAD_MAX)
#define LIBRARY_LINE_MAX 256
#define GROUPS_GUESS 64
#define LAST_TURNS 4	/* for answers to leave when the server ends */

/* -- who asks -- */

static bool in_list(const gid_t *groups, size_t n, gid_t wanted)
{
	for (size_t i = 0; i < n; i++)
		if (groups[i] == wanted)
			return true;
	return false;
}

/* Whether the peer had the group among its further ones when it connected. */
static bool in_group(int fd, gid_t wanted)
{
	gid_t some[GROUPS_GUESS];
	socklen_t len = sizeof(some);
	hy_autofree gid_t *all = NULL;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, some, &len) == 0)
		return in_list(some, len / sizeof(gid_t), wanted);
	if (errno != ERANGE)
		return false;
	all = malloc(len);	/* the kernel has said how many there are */
	return all && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, all, &len) == 0 &&
	       in_list(all, len / sizeof(gid_t), wanted);
}

static bool is_allowed(const struct http_server *s, int fd, const struct ucred *peer)
{
	gid_t group = s->config.group;

	if (peer->uid == 0 || peer->uid == geteuid())
		return true;
	return group != (gid_t)-1 && (peer->gid == group || in_group(fd, group));
}

/* -- connections -- */

static void sweep_later(struct http_server *s)
{
	uint64_t now = hy_clock_ms(), first = UINT64_MAX;

	for (unsigned int i = 0; i < HY_HTTP_CONNS_MAX; i++) {
		const struct http_conn *c = &s->conns[i];

		if (c->connection && c->deadline_ms && c->deadline_ms < first)
			first = c->deadline_ms;
	}
	if (first != UINT64_MAX)
		ev_timer_set(s->loop, &s->sweep, first > now ? first - now : 0);
}

static void sweep(void *server)
{
	struct http_server *s = server;
	uint64_t now = hy_clock_ms();

	for (unsigned int i = 0; i < HY_HTTP_CONNS_MAX; i++) {
		struct http_conn *c = &s->conns[i];

		if (c->connection && c->deadline_ms && c->deadline_ms <= now)
			http_conn_cut(c, "has taken too long");
	}
	sweep_later(s);
}

/* All get the same time, so the timer that is set is never too late: it looks for the next one. */
void http_conn_time(struct http_conn *c, unsigned int ms)
{
	struct http_server *s = c->server;

	c->deadline_ms = ms ? hy_clock_ms() + ms : 0;
	if (ms && !s->sweep.pos && !s->closing)
		ev_timer_set(s->loop, &s->sweep, ms);
}

void http_conn_cut(struct http_conn *c, const char *why)
{
	struct http_server *s = c->server;

	if (c->cut)
		return;
	c->cut = true;
	c->deadline_ms = 0;
	hy_log_limited(s->config.log, &s->cuts, c->hung ? HY_LOG_DEBUG : HY_LOG_INFO,
		       "API: client %d %s: closed", (int)c->request.pid, why);
	shutdown(c->fd, SHUT_RDWR);
	http_stream_wake(c);
}

/* -- ends -- */

static int hang_up(void *conn, int fd, uint32_t events)
{
	struct http_conn *c = conn;

	(void)fd;
	c->hung = c->server->hung = true;
	if (c->asleep && (events & EPOLLHUP))
		http_conn_cut(c, "has gone");
	http_turn_soon(c->server);
	return 0;
}

static void end_drop(void *conn, int fd, int rc)
{
	(void)rc;
	ev_del(((struct http_conn *)conn)->server->loop, fd);
}

static const struct ev_class end_class = { "end of a client", hang_up, end_drop };

/* Whether all was read, and it was not a whole request: one may have been refused by its head. */
static bool in_the_middle(const struct http_conn *c)
{
	int unread = 0;

	return c->connection && c->hung && !c->cut && !c->called &&
	       (c->answer || !c->status) &&
	       ioctl(c->fd, FIONREAD, &unread) == 0 && unread == 0;
}

/* After turns that left nothing to do. */
static void cut_the_hung(struct http_server *s)
{
	if (!s->hung)
		return;
	s->hung = false;
	for (unsigned int i = 0; i < HY_HTTP_CONNS_MAX; i++) {
		struct http_conn *c = &s->conns[i];

		if (in_the_middle(c))
			http_conn_cut(c, "ended in the middle of a request");
		else if (c->connection && c->hung && !c->cut)
			s->hung = true;
	}
}

static struct http_conn *free_slot(struct http_server *s)
{
	for (unsigned int i = 0; i < HY_HTTP_CONNS_MAX; i++)
		if (!s->conns[i].connection)
			return &s->conns[i];
	return NULL;
}

static void conn_begin(struct http_server *s, struct MHD_Connection *connection, void **slot)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct http_conn *c = free_slot(s);
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(peer);

	*slot = c;
	if (!c || !info)
		return;		/* its first request is refused for want of a slot */
	c->server = s;
	c->connection = connection;
	c->fd = info->connect_fd;
	c->cut = c->hung = false;
	c->request.ref.slot = (uint32_t)(c - s->conns);
	c->allowed = getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
		     is_allowed(s, c->fd, &peer);
	c->request.uid = peer.uid;
	c->request.pid = peer.pid;
	s->n_conns++;
	/* unwatched, it ends when its time is over */
	ev_add(s->loop, c->fd, &end_class, c, EPOLLRDHUP | EPOLLET, NULL);
	http_conn_time(c, s->config.request_ms);
}

static void conn_end(struct http_server *s, void **slot)
{
	struct http_conn *c = *slot;

	*slot = NULL;
	if (!c || !c->connection)
		return;
	ev_del(s->loop, c->fd);
	http_request_end(c);
	c->connection = NULL;
	c->deadline_ms = 0;
	s->n_conns--;
	s->freed = true;
}

static void on_connection(void *server, struct MHD_Connection *connection, void **slot,
			  enum MHD_ConnectionNotificationCode what)
{
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		conn_begin(server, connection, slot);
	else
		conn_end(server, slot);
}

static void on_completed(void *server, struct MHD_Connection *connection, void **slot,
			 enum MHD_RequestTerminationCode how)
{
	struct http_conn *c = *slot;

	(void)connection;
	(void)how;
	*slot = NULL;
	if (!c)
		return;
	http_request_end(c);
	http_conn_time(c, ((struct http_server *)server)->config.request_ms);
}

/* Paths and queries are taken as they come: no name of ours needs an escape. */
static size_t unescape_nothing(void *server, struct MHD_Connection *connection, char *text)
{
	(void)server;
	(void)connection;
	return strlen(text);
}

static void __attribute__((format(printf, 2, 0)))
on_library_line(void *server, const char *fmt, va_list ap)
{
	struct http_server *s = server;
	char line[LIBRARY_LINE_MAX];

	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	hy_log_limited(s->config.log, &s->library, HY_LOG_DEBUG, "API: libmicrohttpd: %s", line);
}

/* -- turns: libmicrohttpd does what can be done without waiting -- */

/*
 * It takes its listener back in at the beginning of a turn only. So after a connection has ended
 * there is one more, lest somebody past the limit waits for the next event.
 */
static void turn(void *server)
{
	struct http_server *s = server;
	MHD_UNSIGNED_LONG_LONG ms = 0;

	s->freed = false;
	MHD_run(s->daemon);
	if (MHD_get_timeout(s->daemon, &ms) == MHD_YES)
		ev_timer_set(s->loop, &s->turn, ms);
	else if (s->freed)
		http_turn_soon(s);
	else
		ev_timer_cancel(s->loop, &s->turn);
	if (!s->turn.pos)
		cut_the_hung(s);
}

void http_turn_soon(struct http_server *s)
{
	ev_timer_set(s->loop, &s->turn, 0);
}

static int daemon_handle(void *object, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	turn(object);
	return 0;
}

static void daemon_drop(void *object, int fd, int rc)
{
	struct http_server *s = object;

	(void)rc;
	ev_del(s->loop, fd);
}

static const struct ev_class daemon_class = { "API", daemon_handle, daemon_drop };

static struct MHD_Daemon *start(struct http_server *s, int listener)
{
	return MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
		http_request_step, s,
		MHD_OPTION_EXTERNAL_LOGGER, on_library_line, s,
		MHD_OPTION_LISTEN_SOCKET, listener,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned int)HY_HTTP_CONNS_MAX,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES,
		MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_UNESCAPE_CALLBACK, unescape_nothing, s,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
		MHD_OPTION_END);
}

int http_open(struct http_server *s, struct ev_loop *l, int listener, const struct http_config *c,
	      struct hy_err *e)
{
	const union MHD_DaemonInfo *info;
	int rc;

	*s = (struct http_server){
		.config = *c,
		.loop = l,
		.turn = { .fn = turn, .object = s },
		.sweep = { .fn = sweep, .object = s },
		.comments = { .fn = http_events_comment, .object = s },
		.next_event = 1,
	};
	if (!s->config.request_ms)
		s->config.request_ms = HY_HTTP_REQUEST_MS;
	if (!s->config.comment_ms)
		s->config.comment_ms = HY_HTTP_COMMENT_MS;
	s->daemon = start(s, listener);
	if (!s->daemon)
		return hy_err_set(e, errno ? errno : EIO, "API: start libmicrohttpd");
	info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	s->epfd = info ? info->epoll_fd : -1;
	rc = ev_add(l, s->epfd, &daemon_class, s, EPOLLIN, e);
	if (rc < 0) {
		/* the listener stays the caller's */
		MHD_quiesce_daemon(s->daemon);
		MHD_stop_daemon(s->daemon);
	}
	return rc;
}

void http_close(struct http_server *s)
{
	s->closing = true;
	for (unsigned int i = 0; i < HY_HTTP_CONNS_MAX; i++) {
		struct http_conn *c = &s->conns[i];

		if (!c->connection)
			continue;
		if (c->waiting)
			http_refuse(c, MHD_HTTP_SERVICE_UNAVAILABLE, "busy", "hylicsd stops");
		http_stream_wake(c);
	}
	ev_del(s->loop, s->epfd);
	for (unsigned int i = 0; i < LAST_TURNS; i++)
		MHD_run(s->daemon);
	MHD_stop_daemon(s->daemon);
	ev_timer_cancel(s->loop, &s->turn);
	ev_timer_cancel(s->loop, &s->sweep);
	ev_timer_cancel(s->loop, &s->comments);
	http_events_free(s);
}
