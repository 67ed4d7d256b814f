/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world.c - a client, a guest and its twin in network namespaces, and connections that move
 *
 * Runs in: the tests of tcpmove, in network namespaces of their own
 * Reads from: no untrusted input
 */
#include "tests/move/world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/own.h"
#include "tests/move/wire_up.h"
#include "tests/probes/tcp_sock.h"

#define MTU 9000
#define CLIENT_V4 "10.9.0.1"
#define CLIENT_V6 "fd09::1"
#define SERVER_V4 "10.9.0.2"
#define SERVER_V6 "fd09::2"
#define FIRST_PORT 8000
#define BACKLOG 16
#define RECV_LIMIT_S 20
#define FILES_MAX 16384
#define CATCHERS 4096		/* whoever is older hears of no stray any more */

static const char *const client_links[PLACES] = { "c0", "c1" };

void world_try(int rc, const struct hy_err *e, const char *what)
{
	if (rc)
		probe_bail("%s: %d: %s", what, rc, e->text);
}

void world_enter(const struct world *w, enum place place)
{
	probe_netns_enter(w->ns[place]);
}

void world_leave(const struct world *w)
{
	probe_netns_enter(w->client_ns);
}

void world_sysctl(const char *name, const char *value)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	fd = (int)PROBE_TRY(open(path, O_WRONLY | O_CLOEXEC));
	PROBE_TRY(write(fd, value, strlen(value)));
	close(fd);
}

static void place_begin(struct world *w, enum place place)
{
	world_enter(w, place);
	wire_up_link("s", MTU);
	wire_up_address("s", SERVER_V4);
	wire_up_address("s", SERVER_V6);
	wire_up_route("s", CLIENT_V4);
	wire_up_route("s", CLIENT_V6);
	world_leave(w);
}

void world_route(struct world *w, enum place place)
{
	world_leave(w);
	wire_up_route(client_links[place], SERVER_V4);
	wire_up_route(client_links[place], SERVER_V6);
}

struct world world_begin(unsigned int limit_s)
{
	/* listeners that catch strays stay for long */
	const struct rlimit many = { FILES_MAX, FILES_MAX };
	struct world w = { .next_port = FIRST_PORT };
	int rc;

	probe_begin(limit_s);
	probe_private_net(0);
	setrlimit(RLIMIT_NOFILE, &many);
	tcp_sock_need(IPPROTO_TCP, TCP_REPAIR, "TCP_REPAIR");
	tcp_sock_need(SOL_SOCKET, SO_SNDBUFFORCE, "SO_SNDBUFFORCE");
	w.client_ns = probe_netns_here();
	for (int i = 0; i < PLACES; i++) {
		w.ns[i] = probe_netns_new();
		rc = probe_veth(client_links[i], "s", w.ns[i]);
		if (rc)
			probe_skip_all("a veth pair: %s", strerror(-rc));
		wire_up_link(client_links[i], MTU);
		place_begin(&w, (enum place)i);
	}
	wire_up_address("lo", CLIENT_V4);
	wire_up_address("lo", CLIENT_V6);
	world_route(&w, GUEST);
	return w;
}

long world_resets(struct world *w)
{
	long before = w->resets;

	w->resets = tcp_sock_snmp("OutRsts");
	for (int i = 0; i < PLACES; i++) {
		world_enter(w, (enum place)i);
		w->resets += tcp_sock_snmp("OutRsts");
	}
	world_leave(w);
	return w->resets - before;
}

int world_time_waits(struct world *w)
{
	int count = 0;

	for (int i = 0; i < PLACES; i++) {
		world_enter(w, (enum place)i);
		count += tcp_sock_count_state(TCP_SOCK_TIME_WAIT);
	}
	world_leave(w);
	return count;
}

union name {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t server_name(enum kind kind, uint16_t port, union name *name)
{
	memset(name, 0, sizeof(*name));
	if (kind != KIND_V6) {
		name->v4.sin_family = AF_INET;
		name->v4.sin_port = htons(port);
		inet_pton(AF_INET, SERVER_V4, &name->v4.sin_addr);
		return sizeof(name->v4);
	}
	name->v6.sin6_family = AF_INET6;
	name->v6.sin6_port = htons(port);
	inet_pton(AF_INET6, SERVER_V6, &name->v6.sin6_addr);
	return sizeof(name->v6);
}

/* As servers do it: on one address, or on all of both families at once. */
static int listen_as(enum kind kind, uint16_t port, int rcvbuf)
{
	union name name;
	socklen_t len = server_name(kind, port, &name);
	int sock;

	if (kind == KIND_MAPPED) {
		name.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
						 .sin6_port = htons(port) };
		len = sizeof(name.v6);
	}
	sock = (int)PROBE_TRY(socket(name.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
	if (kind == KIND_MAPPED)
		tcp_sock_set(sock, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	if (rcvbuf)
		tcp_sock_set(sock, SOL_SOCKET, SO_RCVBUFFORCE, rcvbuf);
	PROBE_TRY(bind(sock, &name.any, len));
	PROBE_TRY(listen(sock, BACKLOG));
	return sock;
}

static void wish_sysctls(const struct wish *wish)
{
	world_sysctl("ipv4/tcp_timestamps", wish->no_timestamps ? "0" : "1");
	world_sysctl("ipv4/tcp_sack", wish->no_sack ? "0" : "1");
	world_sysctl("ipv4/tcp_window_scaling", wish->no_wscale ? "0" : "1");
}

static int connect_as(const struct wish *wish, uint16_t port)
{
	union name name, own = { 0 };
	socklen_t len = server_name(wish->kind, port, &name);
	int sock = (int)PROBE_TRY(socket(name.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));

	own.any.sa_family = name.any.sa_family;
	if (wish->kind == KIND_V6)
		inet_pton(AF_INET6, CLIENT_V6, &own.v6.sin6_addr);
	else
		inet_pton(AF_INET, CLIENT_V4, &own.v4.sin_addr);
	PROBE_TRY(bind(sock, &own.any, len));
	if (wish->mss)
		tcp_sock_set(sock, IPPROTO_TCP, TCP_MAXSEG, wish->mss);
	if (wish->client_rcvbuf)
		tcp_sock_set(sock, SOL_SOCKET, SO_RCVBUFFORCE, wish->client_rcvbuf);
	PROBE_TRY(connect(sock, &name.any, len));
	return sock;
}

static void limit_recv(int sock)
{
	const struct timeval limit = { .tv_sec = RECV_LIMIT_S };

	PROBE_TRY(setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
}

/* What listens on the port in both places takes late segments and drops them. */
static void catch_strays(struct world *w, enum kind kind, uint16_t port, int listener)
{
	static int caught[CATCHERS][2];
	static unsigned int n;
	int *pair = caught[n++ % CATCHERS];

	if (n > CATCHERS) {
		close(pair[0]);
		close(pair[1]);
	}
	tcp_sock_freeze(listener);
	pair[0] = listener;
	world_enter(w, TWIN);
	pair[1] = listen_as(kind, port, 0);
	tcp_sock_freeze(pair[1]);
	world_leave(w);
}

void conn_open(struct world *w, struct conn *c, const struct wish *wish)
{
	static unsigned int streams;
	uint16_t port = w->next_port++;
	int listener;

	memset(c, 0, sizeof(*c));
	c->kind = wish->kind;
	c->up = ++streams;
	c->down = ++streams;
	c->copy = -1;
	world_leave(w);
	wish_sysctls(wish);
	world_enter(w, GUEST);
	listener = listen_as(wish->kind, port, wish->server_rcvbuf);
	world_leave(w);
	c->client = connect_as(wish, port);
	c->kept = (int)PROBE_TRY(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	limit_recv(c->client);
	limit_recv(c->kept);
	catch_strays(w, wish->kind, port, listener);
}

void conn_close(struct conn *c)
{
	tcp_vanish(&c->client);
	tcp_vanish(&c->copy);
	tcp_vanish(&c->kept);
	free(hy_ptr_steal(&c->img.bytes));
}

int conn_sock(const struct conn *c)
{
	return c->copy >= 0 ? c->copy : c->kept;
}

void conn_send_down(struct conn *c, size_t len)
{
	tcp_sock_write(conn_sock(c), len, c->down_sent, c->down);
	c->down_sent += len;
}

void conn_send_up(struct conn *c, size_t len)
{
	tcp_sock_write(c->client, len, c->up_sent, c->up);
	c->up_sent += len;
}

bool conn_read_down(struct conn *c)
{
	uint64_t from = c->down_read;

	c->down_read = c->down_sent;
	return tcp_sock_read_right(c->client, c->down_sent - from, from, c->down);
}

bool conn_read_up(struct conn *c)
{
	uint64_t from = c->up_read;

	c->up_read = c->up_sent;
	return tcp_sock_read_right(conn_sock(c), c->up_sent - from, from, c->up);
}

bool conn_talks(struct conn *c, size_t len)
{
	conn_send_down(c, len);
	conn_send_up(c, len);
	return conn_read_down(c) && conn_read_up(c);
}

bool conn_is_quiet(struct conn *c)
{
	return tcp_sock_wait_acked(c->client) && tcp_sock_wait_acked(conn_sock(c));
}

void conn_dump(struct conn *c, int sock)
{
	struct hy_err e = { 0 };
	int rc;

	rc = tcp_freeze(sock, &e);
	world_try(rc, &e, "tcp_freeze");
	rc = tcp_dump(sock, &c->img, &e);
	if (rc == -ENOBUFS) {
		c->img.room = c->img.rec.recv_len + c->img.rec.send_len;
		free(c->img.bytes);
		c->img.bytes = malloc(c->img.room + 1);
		if (!c->img.bytes)
			probe_bail("no memory");
		rc = tcp_dump(sock, &c->img, &e);
	}
	world_try(rc, &e, "tcp_dump");
}

void conn_restore(struct world *w, struct conn *c)
{
	world_enter(w, TWIN);
	c->copy = (int)PROBE_TRY(socket(c->img.rec.family, SOCK_STREAM | SOCK_CLOEXEC, 0));
	TRY_MOVE(tcp_restore(c->copy, &c->img, &move_err));
	limit_recv(c->copy);
	world_leave(w);
}

void conns_out(struct world *w, struct conn *c, int n)
{
	for (int i = 0; i < n; i++)
		conn_dump(&c[i], c[i].kept);
	for (int i = 0; i < n; i++)
		conn_restore(w, &c[i]);
	world_route(w, TWIN);
	for (int i = 0; i < n; i++)
		TRY_MOVE(tcp_wake(c[i].copy, &c[i].img, &move_err));
	for (int i = 0; i < n; i++)
		TRY_MOVE(tcp_silence(c[i].kept, &move_err));
}

void conns_home(struct world *w, struct conn *c, int n)
{
	for (int i = 0; i < n; i++)
		conn_dump(&c[i], c[i].copy);
	for (int i = 0; i < n; i++)
		TRY_MOVE(tcp_rebuild(c[i].kept, &c[i].img, &move_err));
	world_route(w, GUEST);
	for (int i = 0; i < n; i++)
		tcp_vanish(&c[i].copy);
	for (int i = 0; i < n; i++) {
		TRY_MOVE(tcp_thaw(c[i].kept, &move_err));
		TRY_MOVE(tcp_live(c[i].kept, &c[i].img, &move_err));
	}
}
