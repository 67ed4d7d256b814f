/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_bind_listener.c - a restored socket takes its address beside the server that listens there
 *
 * Runs in: a network namespace of its own, on the host and in a guest
 * Reads from: no untrusted input
 */
#include "tests/probes/tcp_image.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE 5000
#define MANY 3

enum { UP = 1, DOWN = 2 };

static int new_socket(void)
{
	return (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM, 0));
}

/* Return: 0 or the errno of bind() */
static int try_bind(int sock, const struct sockaddr_in *addr)
{
	return bind(sock, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? errno : 0;
}

static int reuse_of(int sock)
{
	return tcp_sock_get(sock, SOL_SOCKET, SO_REUSEADDR);
}

static void prove_plain_bind_fails(const struct sockaddr_in *addr)
{
	int sock = new_socket();
	int err = try_bind(sock, addr);

	probe_check(err == EADDRINUSE, "without repair mode bind beside a listener fails: %s",
		    strerror(err));
	tcp_sock_set(sock, SOL_SOCKET, SO_REUSEADDR, 1);
	err = try_bind(sock, addr);
	probe_check(err == EADDRINUSE, "with SO_REUSEADDR too: %s", strerror(err));
	close(sock);
}

static void prove_repair_bind_works(const struct sockaddr_in *addr)
{
	int socks[MANY];
	int bound = 0, forced = 0;

	for (int i = 0; i < MANY; i++) {
		socks[i] = new_socket();
		tcp_sock_repair(socks[i], TCP_REPAIR_ON);
		forced += reuse_of(socks[i]) == 2;
		bound += try_bind(socks[i], addr) == 0;
	}
	probe_check(bound == MANY, "in repair mode %d of %d sockets bind beside the listener",
		    bound, MANY);
	probe_check(forced == MANY, "repair mode forces reuse: SO_REUSEADDR reads 2 on %d of %d",
		    forced, MANY);
	for (int i = 0; i < MANY; i++)
		close(socks[i]);
}

static void prove_reuse_after_repair_breaks(const struct sockaddr_in *addr)
{
	int sock = new_socket();
	int err;

	tcp_sock_repair(sock, TCP_REPAIR_ON);
	tcp_sock_set(sock, SOL_SOCKET, SO_REUSEADDR, 1);
	err = try_bind(sock, addr);
	probe_check(err == EADDRINUSE, "SO_REUSEADDR after repair mode takes that away: %s",
		    strerror(err));
	close(sock);

	sock = new_socket();
	tcp_sock_set(sock, SOL_SOCKET, SO_REUSEADDR, 1);
	tcp_sock_repair(sock, TCP_REPAIR_ON);
	err = try_bind(sock, addr);
	probe_check(err == 0, "SO_REUSEADDR before it does no harm: %s", strerror(err));
	close(sock);
}

/* Moves pair->server into a new socket, its listener in place all the time. */
static void move_server(struct probe_pair *pair)
{
	struct tcp_image img;

	tcp_sock_freeze(pair->server);
	tcp_image_dump(pair->server, &img);
	close(pair->server);
	pair->server = new_socket();
	tcp_image_connect(pair->server, &img, TCP_IMAGE_MAXSEG_BEFORE);
	tcp_image_fill(pair->server, &img);
	tcp_image_live(pair->server, &img, TCP_REPAIR_OFF);
	tcp_image_free(&img);
}

static void prove_both_serve(struct probe_pair *pair)
{
	struct sockaddr_in addr = pair->addr;
	int client, server;

	move_server(pair);
	tcp_sock_write(pair->client, PIECE, 0, UP);
	tcp_sock_write(pair->server, PIECE, 0, DOWN);
	probe_check(tcp_sock_read_right(pair->server, PIECE, 0, UP) &&
		    tcp_sock_read_right(pair->client, PIECE, 0, DOWN),
		    "a connection restored beside its listener goes on, both ways");
	client = new_socket();
	PROBE_TRY(connect(client, (struct sockaddr *)&addr, sizeof(addr)));
	server = (int)PROBE_TRY(accept(pair->listener, NULL, NULL));
	tcp_sock_write(client, PIECE, 0, UP);
	probe_check(tcp_sock_read_right(server, PIECE, 0, UP),
		    "and the listener accepts the next one");
	close(client);
	close(server);
}

/* A server that is started again while a connection of the old one lives on. */
static int bind_as_restarted(const struct sockaddr_in *addr)
{
	int sock = new_socket();
	int err;

	tcp_sock_set(sock, SOL_SOCKET, SO_REUSEADDR, 1);
	err = try_bind(sock, addr);
	close(sock);
	return err;
}

static void prove_reuse_must_be_restored(struct probe_pair *pair)
{
	int err;

	close(pair->listener);
	err = bind_as_restarted(&pair->addr);
	probe_check(reuse_of(pair->server) == 0 && err == EADDRINUSE,
		    "leaving repair mode sets SO_REUSEADDR to %d: a restarted server cannot "
		    "bind (%s)", reuse_of(pair->server), strerror(err));
	tcp_sock_set(pair->server, SOL_SOCKET, SO_REUSEADDR, 1);
	err = bind_as_restarted(&pair->addr);
	probe_check(err == 0, "unless it is set again on the connection: %s", strerror(err));
}

int main(void)
{
	struct probe_pair pair;

	probe_begin(50);
	probe_private_net(0);
	tcp_sock_need(IPPROTO_TCP, TCP_REPAIR, "TCP_REPAIR");
	tcp_sock_need(SOL_SOCKET, SO_SNDBUFFORCE, "SO_SNDBUFFORCE");
	probe_tcp_pair(&pair);
	tcp_sock_set(pair.listener, SOL_SOCKET, SO_REUSEADDR, 1);	/* as every server does */
	prove_plain_bind_fails(&pair.addr);
	prove_repair_bind_works(&pair.addr);
	prove_reuse_after_repair_breaks(&pair.addr);
	prove_both_serve(&pair);
	prove_reuse_must_be_restored(&pair);
	return probe_end("bind beside a listener needs repair mode first and no SO_REUSEADDR "
			 "after it; SO_REUSEADDR must be set again when repair mode is left");
}
