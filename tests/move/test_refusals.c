/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_refusals.c - each reason against carrying a connection, caused for real
 *
 * Runs in: network namespaces of its own; root
 * Reads from: no untrusted input
 */
#include "tests/move/world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/move/wire_up.h"
#include "tests/probes/tcp_sock.h"

#define MB (1024 * 1024)
#define LIMIT_S 60
#define UNREAD 10
#define TOO_LONG (13 * MB)

static void expect(int sock, size_t unread_max, enum tcp_refusal want, const char *what)
{
	enum tcp_refusal got = tcp_check(sock, unread_max);

	probe_check(got == want, "%s: '%s', wanted '%s'", what, tcp_refusal_name(got),
		    tcp_refusal_name(want));
}

static void expect_then_close(int sock, enum tcp_refusal want, const char *what)
{
	expect(sock, 0, want, what);
	close(sock);
}

static void prove_names(void)
{
	int right = 0;

	for (int r = TCP_NOT_TCP; r < TCP_REFUSALS; r++) {
		const char *name = tcp_refusal_name((enum tcp_refusal)r);

		right += name[0] != '\0';
		for (int other = 0; other < r; other++)
			right -= strcmp(name, tcp_refusal_name((enum tcp_refusal)other)) == 0;
	}
	probe_check(right == TCP_REFUSALS - 1 && tcp_refusal_name(TCP_MOVABLE)[0] == '\0' &&
		    tcp_refusal_name(TCP_REFUSALS)[0] == '\0', "every reason has its own name");
}

static void prove_not_tcp(void)
{
	int ends[2];

	expect(-1, 0, TCP_NOT_TCP, "no descriptor");
	PROBE_TRY(pipe(ends));
	expect_then_close(ends[0], TCP_NOT_TCP, "a pipe");
	close(ends[1]);
	PROBE_TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	expect_then_close(ends[0], TCP_NOT_TCP, "a unix socket");
	close(ends[1]);
	expect_then_close((int)PROBE_TRY(socket(AF_INET, SOCK_DGRAM, 0)), TCP_NOT_TCP, "UDP");
	expect_then_close((int)PROBE_TRY(socket(AF_INET6, SOCK_RAW, IPPROTO_TCP)), TCP_NOT_TCP,
			  "a raw socket that says TCP");
	expect_then_close((int)PROBE_TRY(open("/dev/null", O_RDONLY)), TCP_NOT_TCP, "a device");
}

static bool is_half_closed(void *arg)
{
	return tcp_sock_info(*(int *)arg).tcpi_state != TCP_SOCK_ESTABLISHED;
}

static void prove_not_established(struct world *w)
{
	const struct wish wish = { .kind = KIND_MAPPED };
	struct probe_pair pair;
	struct conn c;
	int sock;

	expect_then_close((int)PROBE_TRY(socket(AF_INET6, SOCK_STREAM, 0)), TCP_NOT_ESTABLISHED,
			  "never connected");
	probe_tcp_pair(&pair);
	expect(pair.listener, 0, TCP_NOT_ESTABLISHED, "listening");
	tcp_sock_freeze(pair.listener);
	sock = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	if (connect(sock, (struct sockaddr *)&pair.addr, sizeof(pair.addr)) == 0)
		probe_bail("a frozen listener answers");
	expect_then_close(sock, TCP_NOT_ESTABLISHED, "on its way");
	PROBE_TRY(shutdown(pair.client, SHUT_WR));
	if (!probe_wait_until(is_half_closed, &pair.server))
		probe_bail("no half-closed connection");
	expect(pair.client, 0, TCP_NOT_ESTABLISHED, "half-closed by itself");
	expect(pair.server, 0, TCP_NOT_ESTABLISHED, "half-closed by the peer");
	close(pair.client);
	close(pair.server);
	conn_open(w, &c, &wish);
	conns_out(w, &c, 1);
	expect(c.kept, 0, TCP_NOT_ESTABLISHED, "silenced");
	expect(c.copy, 0, TCP_MOVABLE, "a copy");
	conn_close(&c);
	world_route(w, GUEST);
}

static void prove_unread(struct world *w)
{
	const struct wish wish = { .kind = KIND_V6 };
	struct conn c;

	conn_open(w, &c, &wish);
	expect(c.kept, 0, TCP_MOVABLE, "nothing unread");
	conn_send_up(&c, UNREAD);
	if (!tcp_sock_wait_acked(c.client))
		probe_bail("unread bytes do not arrive");
	expect(c.kept, UNREAD - 1, TCP_UNREAD_BYTES, "one unread byte too many");
	expect(c.kept, UNREAD, TCP_MOVABLE, "as many as allowed");
	probe_check(conn_read_up(&c) && conn_talks(&c, UNREAD), "a check changes nothing");
	conn_close(&c);
}

static void prove_urgent(void)
{
	struct probe_pair pair;
	struct tcp_image img = { .room = UNREAD };
	uint8_t bytes[UNREAD];
	struct hy_err e = { 0 };
	ssize_t got;

	img.bytes = bytes;
	probe_tcp_pair(&pair);
	PROBE_TRY(send(pair.client, "abc", 3, 0));
	PROBE_TRY(send(pair.client, "!", 1, MSG_OOB));
	PROBE_TRY(send(pair.client, "def", 3, 0));
	if (!tcp_sock_wait_acked(pair.client))
		probe_bail("urgent data does not arrive");
	expect(pair.server, UNREAD, TCP_URGENT_DATA, "urgent data");
	/* read out of its place, it no longer announces itself, but leaves a hole */
	PROBE_TRY(recv(pair.server, bytes, 1, MSG_OOB));
	TRY_MOVE(tcp_freeze(pair.server, &move_err));
	probe_check(tcp_dump(pair.server, &img, &e) == -EOPNOTSUPP &&
		    !tcp_sock_get(pair.server, SOL_SOCKET, SO_OOBINLINE),
		    "a queue with a hole is not dumped: %s", e.text);
	TRY_MOVE(tcp_undo(pair.server, &move_err));
	got = recv(pair.server, bytes, sizeof(bytes), 0);
	got = 10 * got + recv(pair.server, bytes, sizeof(bytes), 0);
	probe_check(got == 33 && bytes[0] == 'd', "and goes on as it was: three bytes, the hole, "
		    "three bytes");
	close(pair.client);
	close(pair.server);
	close(pair.listener);
}

static int load_return_all(void)
{
	static const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insns = (uint64_t)(uintptr_t)program;
	attr.insn_cnt = 2;
	attr.license = (uint64_t)(uintptr_t)"GPL";
	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

static void prove_own_filter(void)
{
	int program = load_return_all();
	struct probe_pair pair;

	probe_tcp_pair(&pair);
	tcp_sock_freeze(pair.server);
	expect(pair.server, 0, TCP_OWN_FILTER, "a classic filter");
	tcp_sock_thaw(pair.server);
	expect(pair.server, 0, TCP_MOVABLE, "a filter taken off again");
	if (program < 0) {
		probe_skip("a filter of BPF", "bpf(): %s", strerror(errno));
	} else {
		tcp_sock_set(pair.server, SOL_SOCKET, SO_ATTACH_BPF, program);
		expect(pair.server, 0, TCP_OWN_FILTER, "a filter of BPF");
		tcp_sock_thaw(pair.server);
		close(program);
	}
	tcp_sock_set(pair.server, SOL_SOCKET, SO_LOCK_FILTER, 1);
	expect(pair.server, 0, TCP_OWN_FILTER, "no filter, and none allowed");
	close(pair.client);
	close(pair.server);
	close(pair.listener);
}

static void prove_mptcp(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int listener = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
	socklen_t len = sizeof(addr);
	int client, plain;

	if (listener < 0) {
		probe_skip("MPTCP", "%s", strerror(errno));
		return;
	}
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	PROBE_TRY(bind(listener, (struct sockaddr *)&addr, len));
	PROBE_TRY(listen(listener, 8));
	PROBE_TRY(getsockname(listener, (struct sockaddr *)&addr, &len));
	client = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP));
	PROBE_TRY(connect(client, (struct sockaddr *)&addr, len));
	expect_then_close((int)PROBE_TRY(accept(listener, NULL, NULL)), TCP_MPTCP, "MPTCP");
	expect_then_close(client, TCP_MPTCP, "MPTCP, the other end");
	plain = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM, 0));
	PROBE_TRY(connect(plain, (struct sockaddr *)&addr, len));
	expect_then_close((int)PROBE_TRY(accept(listener, NULL, NULL)), TCP_MOVABLE,
			  "a plain client of an MPTCP listener");
	close(plain);
	close(listener);
}

static void prove_ulp(void)
{
	static const char *const ulps[] = { "tls", "espintcp", "smc" };
	struct probe_pair pair;
	bool set = false;

	probe_tcp_pair(&pair);
	for (unsigned int i = 0; !set && i < sizeof(ulps) / sizeof(ulps[0]); i++)
		set = setsockopt(pair.server, IPPROTO_TCP, TCP_ULP, ulps[i],
				 (socklen_t)strlen(ulps[i])) == 0;
	if (set)
		expect(pair.server, 0, TCP_WITH_ULP, "an upper layer's protocol");
	else
		probe_skip("an upper layer's protocol", "this kernel has none: %s",
			   strerror(errno));
	close(pair.client);
	close(pair.server);
	close(pair.listener);
}

static void prove_too_long(struct world *w)
{
	const struct wish wish = { .kind = KIND_V4 };
	struct hy_err e = { 0 };
	struct conn c;

	conn_open(w, &c, &wish);
	TRY_MOVE(tcp_freeze(c.client, &move_err));
	tcp_sock_set(c.kept, SOL_SOCKET, SO_SNDBUFFORCE, 2 * TOO_LONG);
	conn_send_down(&c, TOO_LONG);
	expect(c.kept, 0, TCP_QUEUE_TOO_LONG, "13 MB unacknowledged");
	TRY_MOVE(tcp_freeze(c.kept, &move_err));
	probe_check(tcp_dump(c.kept, &c.img, &e) == -EMSGSIZE, "nor are they dumped: %s", e.text);
	conn_close(&c);
}

static void prove_link_local(void)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6 };
	socklen_t len = sizeof(addr);
	struct tcp_image img = { .room = 0 };
	struct hy_err e = { 0 };
	int listener, client, server;

	wire_up_address("lo", "fe80::9");
	inet_pton(AF_INET6, "fe80::9", &addr.sin6_addr);
	addr.sin6_scope_id = if_nametoindex("lo");
	listener = (int)PROBE_TRY(socket(AF_INET6, SOCK_STREAM, 0));
	PROBE_TRY(bind(listener, (struct sockaddr *)&addr, len));
	PROBE_TRY(listen(listener, 1));
	PROBE_TRY(getsockname(listener, (struct sockaddr *)&addr, &len));
	client = (int)PROBE_TRY(socket(AF_INET6, SOCK_STREAM, 0));
	PROBE_TRY(connect(client, (struct sockaddr *)&addr, len));
	server = (int)PROBE_TRY(accept(listener, NULL, NULL));
	expect(server, 0, TCP_LINK_LOCAL, "link-local addresses");
	probe_check(tcp_dump(server, &img, &e) == -EOPNOTSUPP, "nor is it dumped: %s", e.text);
	TRY_MOVE(tcp_undo(server, &move_err));
	close(listener);
	close(client);
	close(server);
}

int main(void)
{
	struct world w = world_begin(LIMIT_S);

	prove_names();
	prove_not_tcp();
	prove_not_established(&w);
	prove_unread(&w);
	prove_urgent();
	prove_own_filter();
	prove_mptcp();
	prove_ulp();
	prove_too_long(&w);
	prove_link_local();
	return probe_end("what cannot be carried is told by its own word");
}
