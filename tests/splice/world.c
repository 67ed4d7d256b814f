/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world.c - a twin with sockets in every state that matters, and a loaded splice
 *
 * Runs in: the tests of the splice
 * Reads from: no untrusted input
 */
#include "tests/splice/world.h"
#include "tests/probes/tcp_sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENT4 "10.98.0.3"

/* One end of a connection, whatever the family. */
struct end {
	struct sockaddr_storage addr;
	socklen_t len;
};

static struct end make_end(bool ip6, const uint8_t *addr, uint16_t port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct end end = { .len = ip6 ? sizeof(in6) : sizeof(in) };

	memcpy(&in6.sin6_addr, addr, ip6 ? 16 : 0);
	memcpy(&in.sin_addr, addr, 4);
	if (ip6)
		memcpy(&end.addr, &in6, sizeof(in6));
	else
		memcpy(&end.addr, &in, sizeof(in));
	return end;
}

static void try_bind(int fd, struct end end)
{
	tcp_sock_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	PROBE_TRY(bind(fd, (struct sockaddr *)&end.addr, end.len));
}

int world_established(struct world *w, bool ip6, uint16_t port)
{
	int fd = splice_socket(&w->net, w->net.twin, ip6 ? AF_INET6 : AF_INET, SOCK_STREAM);
	struct end client = make_end(ip6, addrs.client[ip6], CLIENT_PORT);

	tcp_sock_repair(fd, TCP_REPAIR_ON);
	try_bind(fd, make_end(ip6, addrs.guest[ip6], port));
	PROBE_TRY(connect(fd, (struct sockaddr *)&client.addr, client.len));
	return fd;
}

static int listen_at(struct world *w, uint16_t port)
{
	static const uint8_t any[16];
	int fd = splice_socket(&w->net, w->net.twin, AF_INET6, SOCK_STREAM);

	try_bind(fd, make_end(true, any, port));
	PROBE_TRY(listen(fd, 8));
	return fd;
}

/* A connection whose remains stay in the twin; the client's address is lent to it for that. */
static void leave_time_wait(struct world *w, int listener, uint16_t port)
{
	int client = splice_socket(&w->net, w->net.twin, AF_INET, SOCK_STREAM);
	struct end guest = make_end(false, addrs.guest[0], port);
	char byte;
	int server;

	splice_must_in(w->net.twin, "ip addr add " CLIENT4 "/32 dev lo");
	try_bind(client, make_end(false, addrs.client[0], CLIENT_PORT));
	PROBE_TRY(connect(client, (struct sockaddr *)&guest.addr, guest.len));
	server = (int)PROBE_TRY(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	close(server);
	PROBE_TRY(recv(client, &byte, 1, 0));
	close(client);
	splice_must_in(w->net.twin, "ip addr del " CLIENT4 "/32 dev lo");
}

static void add_ip6(struct world *w)
{
	splice_must_in(w->net.twin,
		       "for i in all v1; do echo 0 > /proc/sys/net/ipv6/conf/$i/disable_ipv6; done;"
		       "echo 0 > /proc/sys/net/ipv6/conf/v1/router_solicitations;"
		       "ip addr add 2001:db8::2/128 dev v1 nodad &&"
		       "ip -6 route add default dev v1");
}

void world_make(struct world *w, enum splice_topology topology, enum splice_edge edge)
{
	const char *lack = splice_net_make(&w->net, topology, edge);
	int once;

	if (lack)
		probe_skip_all("no %s here", lack);
	add_ip6(w);
	w->conn[0] = world_established(w, false, CONN_PORT);
	w->conn[1] = world_established(w, true, CONN_PORT);
	w->listener = listen_at(w, LISTEN_PORT);
	w->time_wait_listener = listen_at(w, TIME_WAIT_LISTEN_PORT);
	leave_time_wait(w, w->time_wait_listener, TIME_WAIT_LISTEN_PORT);
	once = listen_at(w, TIME_WAIT_PORT);
	leave_time_wait(w, once, TIME_WAIT_PORT);
	close(once);
}

void world_drop(struct world *w)
{
	close(w->conn[0]);
	close(w->conn[1]);
	close(w->listener);
	close(w->time_wait_listener);
	splice_net_drop(&w->net);
}

struct splice_config world_config(const struct world *w)
{
	struct splice_config cfg = {
		.edge_ifindex = w->net.edge_ifindex,
		.veth_ifindex = w->net.twin_ifindex,
		.twin_netns_id = w->net.twin_netns,
		.owner = "test",
	};

	memcpy(cfg.guest_mac, mac_guest, ETH_ALEN);
	return cfg;
}

int world_try(int rc, const struct hy_err *e)
{
	if (rc < 0)
		probe_bail("%s: %s", e->text, strerror(-rc));
	return rc;
}

void world_listen(struct splice_config *cfg)
{
	struct hy_err e = { 0 };

	cfg->present = world_try(splice_present_make(&e), &e);
	world_try(splice_present_listen(cfg->present, LISTEN_PORT, true, &e), &e);
	world_try(splice_present_listen(cfg->present, TIME_WAIT_LISTEN_PORT, true, &e), &e);
}

void world_open(struct splice *s, const struct splice_config *cfg)
{
	world_reopen(s, cfg, NULL);
}

void world_reopen(struct splice *s, const struct splice_config *cfg, const struct splice *earlier)
{
	struct hy_err e = { 0 };
	int rc = splice_open(s, cfg, earlier, &e);

	if (rc == -EPERM)
		probe_skip_all("BPF programs may not be loaded here");
	world_try(rc, &e);
	world_try(splice_add_address(s, AF_INET, addrs.guest[0], &e), &e);
	world_try(splice_add_address(s, AF_INET6, addrs.guest[1], &e), &e);
}
