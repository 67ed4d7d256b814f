/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_counts.c - how far a copy has come, as its kernel tells it, at every stage of its life
 *
 * Runs in: network namespaces of its own; root
 * Reads from: no untrusted input
 */
#include "tests/move/world.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/probes/tcp_sock.h"

#define LIMIT_S 60
#define UNREAD 5000
#define SENT 3000
#define UNSENT 2000
#define MORE 100000
#define UP 7000

struct counts {
	int rc;
	uint64_t queued, read;
};

static struct counts counts_of(const struct conn *c)
{
	struct counts found = { 0 };
	struct hy_err e = { 0 };

	found.rc = tcp_stream_counts(c->copy, c->img.rec.send_len, &found.queued, &found.read, &e);
	return found;
}

static void check_counts(const struct conn *c, uint64_t queued, uint64_t read, const char *when)
{
	struct counts found = counts_of(c);

	probe_check(found.rc == 0 && found.queued == queued && found.read == read,
		    "%s: %llu of %llu queued, %llu of %llu read (%d)", when,
		    (unsigned long long)found.queued, (unsigned long long)queued,
		    (unsigned long long)found.read, (unsigned long long)read, found.rc);
}

/* A copy with something in each part of its queues. */
static void open_copy(struct world *w, struct conn *c, enum kind kind)
{
	const struct wish wish = { .kind = kind };

	conn_open(w, c, &wish);
	conn_send_up(c, UNREAD);
	if (!tcp_sock_wait_acked(c->client))
		probe_bail("unread bytes do not arrive");
	TRY_MOVE(tcp_freeze(c->kept, &move_err));
	conn_send_down(c, SENT);
	if (!tcp_sock_wait_sent(c->kept))
		probe_bail("sent bytes do not leave");
	tcp_sock_close_window(c->kept, SENT);
	conn_send_down(c, UNSENT);
	conns_out(w, c, 1);
}

static void end_copy(struct world *w, struct conn *c)
{
	conn_close(c);
	world_route(w, GUEST);
}

static bool state_is(void *arg)
{
	const int *want = arg;

	return tcp_sock_info(want[0]).tcpi_state == (uint8_t)want[1];
}

static bool wait_state(int sock, int state)
{
	int want[] = { sock, state };

	return probe_wait_until(state_is, want);
}

static void read_some_up(struct conn *c, size_t len)
{
	if (!tcp_sock_read_right(c->copy, len, c->up_read, c->up))
		probe_bail("the copy's unread bytes are wrong");
	c->up_read += len;
}

static void prove_growth(struct world *w)
{
	struct conn c;

	open_copy(w, &c, KIND_V4);
	check_counts(&c, 0, 0, "just restored, the queues count nothing");
	read_some_up(&c, 1000);
	check_counts(&c, 0, 1000, "restored unread bytes count when they are read");
	conn_send_down(&c, MORE);
	check_counts(&c, MORE, 1000, "written, acknowledged or not");
	if (!conn_read_down(&c) || !tcp_sock_wait_acked(c.copy))
		probe_bail("what was written does not arrive");
	check_counts(&c, MORE, 1000, "all of it acknowledged");
	conn_send_up(&c, UP);
	if (!conn_read_up(&c))
		probe_bail("what the client sent does not arrive");
	check_counts(&c, MORE, UNREAD + UP, "all of the client's read");
	end_copy(w, &c);
}

/* Our FIN: queued behind unacknowledged bytes, then sent, then acknowledged. */
static void prove_our_fin(struct world *w)
{
	struct conn c;

	open_copy(w, &c, KIND_V6);
	if (!conn_read_down(&c) || !tcp_sock_wait_acked(c.copy))
		probe_bail("the restored queue does not arrive");
	TRY_MOVE(tcp_freeze(c.copy, &move_err));
	conn_send_down(&c, MORE);
	PROBE_TRY(shutdown(c.copy, SHUT_WR));
	check_counts(&c, MORE, 0, "a FIN queued behind unacknowledged bytes is no byte");
	TRY_MOVE(tcp_thaw(c.copy, &move_err));
	if (!conn_read_down(&c) || !wait_state(c.copy, 5))
		probe_bail("the FIN is not acknowledged");
	check_counts(&c, MORE, 0, "nor when it is acknowledged");
	conn_send_up(&c, UP);
	if (!conn_read_up(&c))
		probe_bail("a half-closed copy does not read");
	check_counts(&c, MORE, UNREAD + UP, "half-closed, it still reads");
	end_copy(w, &c);
}

/* The client's FIN: with bytes before it unread, then all read, then its end seen. */
static void prove_their_fin(struct world *w)
{
	struct conn c;
	char byte;

	open_copy(w, &c, KIND_MAPPED);
	conn_send_up(&c, UP);
	PROBE_TRY(shutdown(c.client, SHUT_WR));
	if (!wait_state(c.copy, TCP_SOCK_CLOSE_WAIT))
		probe_bail("the client's FIN does not come");
	check_counts(&c, 0, 0, "a FIN behind unread bytes is no byte");
	read_some_up(&c, 1);
	check_counts(&c, 0, 1, "one byte read");
	if (!conn_read_up(&c))
		probe_bail("what the client sent does not arrive");
	check_counts(&c, 0, UNREAD + UP, "all read but the end");
	if (recv(c.copy, &byte, 1, 0) != 0)
		probe_bail("no end behind the client's FIN");
	check_counts(&c, 0, UNREAD + UP, "the end seen");
	conn_send_down(&c, MORE);
	check_counts(&c, MORE, UNREAD + UP, "it still sends");
	TRY_MOVE(tcp_freeze(c.copy, &move_err));
	PROBE_TRY(shutdown(c.copy, SHUT_WR));
	check_counts(&c, MORE, UNREAD + UP, "both FINs are no bytes");
	end_copy(w, &c);
}

static void prove_ended(struct world *w)
{
	const struct linger reset = { .l_onoff = 1 };
	struct conn c;

	open_copy(w, &c, KIND_V4);
	PROBE_TRY(setsockopt(c.client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)));
	close(c.client);
	c.client = -1;
	if (!wait_state(c.copy, TCP_SOCK_CLOSE))
		probe_bail("the client's RST does not come");
	probe_check(counts_of(&c).rc == -ENOTCONN, "after a RST there is nothing to count: %d",
		    counts_of(&c).rc);
	world_resets(w);
	end_copy(w, &c);
}

/* Restored, but its queue said to be longer: as if its maker had died in between. */
static void prove_short(struct world *w)
{
	struct conn c;

	open_copy(w, &c, KIND_V4);
	c.img.rec.send_len++;
	probe_check(counts_of(&c).rc == -ERANGE, "fewer bytes than were restored are a fault: %d",
		    counts_of(&c).rc);
	end_copy(w, &c);
}

int main(void)
{
	struct world w = world_begin(LIMIT_S);
	long resets;

	prove_growth(&w);
	prove_our_fin(&w);
	prove_their_fin(&w);
	prove_short(&w);
	resets = world_resets(&w);
	probe_check(resets == 0, "no RST was sent (%ld)", resets);
	prove_ended(&w);
	return probe_end("a copy's kernel tells exactly how much was queued and read");
}
