/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_orphan_fin.c - how a connection ends when its holder dies, and how it ends unnoticed
 *
 * Runs in: a network namespace of its own, on the host and in a guest
 * Reads from: no untrusted input
 *
 * The holder is a child that is killed with SIGKILL while its send queue is full, half way
 * through a body that it has promised. The namespace is private, so the count of all segments
 * sent in it tells exactly whether a close sent anything.
 */
#include "tests/probes/tcp_sock.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROMISED (1024 * 1024)
#define WRITTEN (PROMISED / 2)
#define BUFFER PROMISED
#define UNREAD 100
#define ATTEMPTS 5

enum { UP = 1, DOWN = 2 };

static struct probe_pair new_pair(void)
{
	struct probe_pair pair;

	probe_tcp_pair(&pair);
	close(pair.listener);
	tcp_sock_set(pair.server, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER);
	return pair;
}

/* A child that has the server's end and tells when it is ready to be killed. */
static pid_t start_holder(struct probe_pair *pair, void (*work)(int server))
{
	int ready[2];
	char byte = 0;
	pid_t child;

	PROBE_TRY(pipe(ready));
	child = probe_fork();
	if (!child) {
		close(pair->client);
		work(pair->server);
		PROBE_TRY(write(ready[1], &byte, 1));
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		probe_bail("the holder did not get ready");
	close(ready[0]);
	return child;
}

static void kill_holder(pid_t child)
{
	PROBE_TRY(kill(child, SIGKILL));
	if (probe_join(child) != 128 + SIGKILL)
		probe_bail("the holder did not die by SIGKILL");
}

static void write_half(int server)
{
	tcp_sock_write(server, WRITTEN, 0, DOWN);
}

/* Return: the errno of the next recv(), 0 at the end of the stream, -1 for a byte */
static int next_recv(int sock)
{
	char byte;
	ssize_t got = recv(sock, &byte, 1, 0);

	return got > 0 ? -1 : got == 0 ? 0 : errno;
}

static int prove_only_holder(void)
{
	struct probe_pair pair = new_pair();
	pid_t child = start_holder(&pair, write_half);
	int queued = tcp_sock_unacked(pair.server);
	bool right;
	int end;

	close(pair.server);
	kill_holder(child);
	right = tcp_sock_read_right(pair.client, WRITTEN, 0, DOWN);
	end = next_recv(pair.client);
	probe_check(queued > 0, "the holder dies with %d bytes in the send queue", queued);
	probe_check(right, "the kernel sends the rest: the client gets %d of %d promised bytes",
		    WRITTEN, PROMISED);
	probe_check(end == 0, "and then a clean end: the cut body looks whole (%s)",
		    end == 0 ? "end of stream" : "no end of stream");
	close(pair.client);
	return queued;
}

static void prove_duplicate_keeps(void)
{
	struct probe_pair pair = new_pair();
	pid_t child = start_holder(&pair, write_half);
	bool first;

	kill_holder(child);
	first = tcp_sock_read_right(pair.client, WRITTEN, 0, DOWN);
	probe_check(first && tcp_sock_info(pair.server).tcpi_state == TCP_SOCK_ESTABLISHED,
		    "with a duplicate held elsewhere the connection stays established");
	tcp_sock_write(pair.server, PROMISED - WRITTEN, WRITTEN, DOWN);
	probe_check(tcp_sock_read_right(pair.client, PROMISED - WRITTEN, WRITTEN, DOWN),
		    "the duplicate sends the rest: %d of %d bytes, no end in between", PROMISED,
		    PROMISED);
	close(pair.client);
	close(pair.server);
}

static void enter_repair(int server)
{
	write_half(server);
	tcp_sock_freeze(server);
	tcp_sock_repair(server, TCP_REPAIR_ON);
	tcp_sock_queue(server, TCP_SEND_QUEUE);
}

/* What came of a close: all segments of the namespace, sockets in TIME_WAIT, the peer. */
struct silence {
	long segments;
	int time_wait;
	bool peer_established;
};

static struct silence traces_now(int client)
{
	return (struct silence){
		.segments = tcp_sock_snmp("OutSegs") + tcp_sock_snmp("OutRsts"),
		.time_wait = tcp_sock_count_state(TCP_SOCK_TIME_WAIT),
		.peer_established = tcp_sock_info(client).tcpi_state == TCP_SOCK_ESTABLISHED,
	};
}

static struct silence traces_since(const struct silence *before, int client)
{
	struct silence now = traces_now(client);

	now.segments -= before->segments;
	now.time_wait -= before->time_wait;
	return now;
}

/* Frozen before the server writes, the client has nothing to acknowledge when it is gone. */
static struct probe_pair pair_with_unread(void)
{
	struct probe_pair pair = new_pair();

	tcp_sock_write(pair.client, UNREAD, 0, UP);
	if (!tcp_sock_wait_acked(pair.client))
		probe_bail("the unread bytes do not arrive");
	tcp_sock_freeze(pair.client);
	return pair;
}

static struct silence close_in_repair(void)
{
	struct probe_pair pair = pair_with_unread();
	struct silence before, after;

	enter_repair(pair.server);
	before = traces_now(pair.client);
	close(pair.server);
	after = traces_since(&before, pair.client);
	tcp_sock_repair(pair.client, TCP_REPAIR_ON);
	close(pair.client);
	return after;
}

static struct silence die_in_repair(void)
{
	struct probe_pair pair = pair_with_unread();
	pid_t child = start_holder(&pair, enter_repair);
	struct silence before, after;

	close(pair.server);
	before = traces_now(pair.client);
	kill_holder(child);
	after = traces_since(&before, pair.client);
	tcp_sock_repair(pair.client, TCP_REPAIR_ON);
	close(pair.client);
	return after;
}

/* A retransmission timer may fire between the two counts, but not every time. */
static void prove_silent(const char *how, struct silence (*attempt)(void))
{
	struct silence found;

	for (int i = 0; i < ATTEMPTS; i++) {
		found = attempt();
		if (found.segments == 0)
			break;
	}
	probe_check(found.segments == 0, "%s, both queues full, sends nothing: %ld segments", how,
		    found.segments);
	probe_check(found.time_wait <= 0 && found.peer_established,
		    "%s leaves the peer established and no TIME_WAIT", how);
}

static void prove_no_socket_is_reset(void)
{
	struct probe_pair pair = new_pair();

	tcp_sock_repair(pair.server, TCP_REPAIR_ON);
	close(pair.server);
	tcp_sock_write(pair.client, 1, 0, UP);
	probe_check(next_recv(pair.client) == ECONNRESET,
		    "but a later segment finds no socket and is answered with a RST");
	close(pair.client);
}

int main(void)
{
	int queued;

	probe_begin(50);
	probe_private_net(0);
	tcp_sock_need(IPPROTO_TCP, TCP_REPAIR, "TCP_REPAIR");
	tcp_sock_need(SOL_SOCKET, SO_SNDBUFFORCE, "SO_SNDBUFFORCE");
	queued = prove_only_holder();
	prove_duplicate_keeps();
	prove_silent("close in repair mode", close_in_repair);
	prove_silent("SIGKILL in repair mode", die_in_repair);
	prove_no_socket_is_reset();
	return probe_end("killed with %d bytes queued, the only holder leaves a clean FIN after a "
			 "cut body; a duplicate prevents it; in repair mode nothing is sent",
			 queued);
}
