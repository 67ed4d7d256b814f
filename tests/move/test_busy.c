/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_busy.c - a connection moves back and forth while both ends send as fast as they can
 *
 * Runs in: network namespaces of its own; root
 * Reads from: no untrusted input
 *
 * The client is a process of its own and knows nothing of moves: what it acknowledges, sends and
 * loses around each of them is up to chance.
 */
#include "tests/move/world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/probes/tcp_sock.h"

#define KB 1024
#define MB (1024 * KB)
#define LIMIT_S 100
#define MOVES 10
#define LONG_MOVES 200
#define STEP (1 * MB)			/* down, between two moves */
#define UP_PER_MOVE (128 * KB)
#define STALL_MS 20000
#define WMEM_MAX (4 * MB)		/* what the kernel lets a send buffer tune itself to */

/* One end's two streams, and how far they are. */
struct end {
	int sock;
	unsigned int send_stream, recv_stream;
	uint64_t sent, send_end, got, recv_end;
};

static bool end_send(struct end *end)
{
	unsigned char buf[64 * KB];
	uint64_t left = end->send_end - end->sent;
	size_t len = left < sizeof(buf) ? (size_t)left : sizeof(buf);
	ssize_t put;

	probe_fill(buf, len, end->sent, end->send_stream);
	put = send(end->sock, buf, len, MSG_DONTWAIT);
	end->sent += put > 0 ? (uint64_t)put : 0;
	return put > 0 || errno == EAGAIN;
}

static bool end_recv(struct end *end)
{
	unsigned char buf[64 * KB];
	ssize_t got = recv(end->sock, buf, sizeof(buf), MSG_DONTWAIT);

	if (got < 0 && errno == EAGAIN)
		return true;
	if (got <= 0 || probe_first_wrong(buf, (size_t)got, end->got, end->recv_stream) >= 0)
		return false;
	end->got += (uint64_t)got;
	return true;
}

/* Until both streams are where they shall get to, or one of them for @sent_enough. */
static bool end_pump(struct end *end, uint64_t sent_enough)
{
	while (end->sent < sent_enough ||
	       (end->sent == end->send_end && end->got < end->recv_end)) {
		struct pollfd wait = { .fd = end->sock };

		if (end->got < end->recv_end)
			wait.events |= POLLIN;
		if (end->sent < end->send_end)
			wait.events |= POLLOUT;
		if (poll(&wait, 1, STALL_MS) <= 0)
			return false;
		if (wait.revents & POLLOUT && !end_send(end))
			return false;
		if (wait.revents & (POLLIN | POLLERR | POLLHUP) && !end_recv(end))
			return false;
	}
	return true;
}

static pid_t start_client(const struct conn *c, uint64_t down, uint64_t up)
{
	struct end end = { .sock = c->client, .send_stream = c->up, .recv_stream = c->down,
			   .send_end = up, .recv_end = down };
	pid_t child = probe_fork();

	if (!child)
		_exit(end_pump(&end, up) ? 0 : 1);
	return child;
}

static void prove_busy(struct world *w, enum kind kind, int moves)
{
	const struct wish wish = { .kind = kind, .mss = 1460 };
	uint64_t down = (uint64_t)(moves + 1) * STEP, up = (uint64_t)moves * UP_PER_MOVE;
	uint64_t carried = 0;
	struct end end;
	struct conn c;
	bool right = true;
	int widest = 0;
	pid_t child;

	conn_open(w, &c, &wish);
	child = start_client(&c, down, up);
	close(c.client);
	c.client = -1;
	end = (struct end){ .send_stream = c.down, .recv_stream = c.up, .send_end = down,
			    .recv_end = up };
	for (int i = 0; right && i < moves; i++) {
		int sndbuf;

		end.sock = conn_sock(&c);
		right = end_pump(&end, (uint64_t)(i + 1) * STEP);
		if (i % 2)
			conns_home(w, &c, 1);
		else
			conns_out(w, &c, 1);
		carried += c.img.rec.send_len + c.img.rec.recv_len;
		sndbuf = tcp_sock_get(conn_sock(&c), SOL_SOCKET, SO_SNDBUF);
		widest = sndbuf > widest ? sndbuf : widest;
	}
	end.sock = conn_sock(&c);
	right = right && end_pump(&end, down);
	probe_check(right && probe_join(child) == 0 && end.got == up,
		    "%d moves in %llu MB: every byte right, %llu KB were carried in queues", moves,
		    (unsigned long long)(down / MB), (unsigned long long)(carried / KB));
	probe_check(widest <= WMEM_MAX, "buffers do not grow by being moved: %d bytes at most",
		    widest);
	conn_close(&c);
	world_route(w, GUEST);
}

int main(void)
{
	int moves = getenv("HYLICS_LONG") ? LONG_MOVES : MOVES;
	struct world w = world_begin(getenv("HYLICS_LONG") ? 20 * LIMIT_S : LIMIT_S);
	long resets;

	for (int i = 0; i < PLACES; i++) {
		world_enter(&w, (enum place)i);
		world_sysctl("ipv4/tcp_wmem", "4096 16384 4194304");
	}
	world_leave(&w);
	prove_busy(&w, KIND_V4, moves);
	prove_busy(&w, KIND_V6, moves);
	prove_busy(&w, KIND_MAPPED, moves);
	resets = world_resets(&w);
	probe_check(resets == 0, "no RST was sent (%ld)", resets);
	return probe_end("connections moved under full load, every byte right");
}
