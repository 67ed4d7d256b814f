/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_freeze.c - a return-0 socket filter stops everything that arrives; TCP_REPAIR does not
 *
 * Runs in: a network namespace of its own, on the host and in a guest
 * Reads from: no untrusted input
 *
 * That a segment came and was dropped is known by the socket's drop counter, that the peer knows
 * nothing of it by the peer's queue: no check waits for "nothing happens".
 */
#include "tests/probes/tcp_sock.h"

#include <sys/socket.h>
#include <unistd.h>

#define PIECE 1000

enum { UP = 1, DOWN = 2 };

static bool piece_unread(void *arg)
{
	return tcp_sock_unread(*(int *)arg) == PIECE;
}

static void close_pair(struct probe_pair *pair)
{
	close(pair->listener);
	close(pair->client);
	close(pair->server);
}

/* Data towards the frozen socket; the second drop is a retransmission of the first piece. */
static uint32_t data_stays_out(struct probe_pair *pair)
{
	uint32_t segs_in = tcp_sock_info(pair->server).tcpi_segs_in;
	uint32_t dropped = tcp_sock_drops(pair->server);
	bool twice;

	tcp_sock_write(pair->client, PIECE, 0, UP);
	twice = tcp_sock_wait_drop(pair->server, dropped + 1);
	dropped = tcp_sock_drops(pair->server) - dropped;
	probe_check(twice, "the frozen socket drops the segment and its retransmission (%u drops)",
		    dropped);
	probe_check(tcp_sock_unread(pair->server) == 0, "none of %d bytes is delivered: %d unread",
		    PIECE, tcp_sock_unread(pair->server));
	probe_check(tcp_sock_unacked(pair->client) == PIECE,
		    "none is acknowledged: the peer holds %d", tcp_sock_unacked(pair->client));
	probe_check(tcp_sock_info(pair->server).tcpi_segs_in == segs_in,
		    "TCP has not seen a segment: %u before, %u now", segs_in,
		    tcp_sock_info(pair->server).tcpi_segs_in);
	return dropped;
}

static void own_data_stays_unacked(struct probe_pair *pair)
{
	uint32_t dropped = tcp_sock_drops(pair->server);
	bool arrived, ack_dropped;

	tcp_sock_write(pair->server, PIECE, 0, DOWN);
	arrived = tcp_sock_read_right(pair->client, PIECE, 0, DOWN);
	ack_dropped = tcp_sock_wait_drop(pair->server, dropped);
	probe_check(arrived && ack_dropped && tcp_sock_unacked(pair->server) == PIECE,
		    "what it sends arrives, the acknowledgement is dropped: %d unacknowledged",
		    tcp_sock_unacked(pair->server));
}

static uint32_t prove_freeze(void)
{
	struct probe_pair pair;
	uint32_t dropped, resent;
	bool acked;

	probe_tcp_pair(&pair);
	tcp_sock_freeze(pair.server);
	dropped = data_stays_out(&pair);
	own_data_stays_unacked(&pair);
	tcp_sock_thaw(pair.server);
	probe_check(tcp_sock_read_right(pair.server, PIECE, 0, UP),
		    "after the filter is gone all %d bytes come, right", PIECE);
	acked = tcp_sock_wait_acked(pair.client) &&
		tcp_sock_wait_acked(pair.server);
	resent = tcp_sock_info(pair.client).tcpi_total_retrans;
	probe_check(acked && resent > 0, "by retransmission (%u), and both ends are acknowledged",
		    resent);
	close_pair(&pair);
	return dropped;
}

static void prove_end_is_dropped(void)
{
	struct probe_pair pair;
	uint32_t dropped;
	char byte;

	probe_tcp_pair(&pair);
	tcp_sock_freeze(pair.server);
	dropped = tcp_sock_drops(pair.server);
	shutdown(pair.client, SHUT_WR);
	probe_check(tcp_sock_wait_drop(pair.server, dropped) &&
		    tcp_sock_info(pair.server).tcpi_state == TCP_SOCK_ESTABLISHED,
		    "a FIN inside the freeze leaves it established");
	tcp_sock_thaw(pair.server);
	probe_check(recv(pair.server, &byte, 1, 0) == 0, "and is not lost: it ends after the thaw");
	close_pair(&pair);
}

static void prove_reset_is_dropped(void)
{
	const struct linger abort_on_close = { .l_onoff = 1, .l_linger = 0 };
	struct probe_pair pair;
	uint32_t dropped;
	char byte = 0;

	probe_tcp_pair(&pair);
	tcp_sock_freeze(pair.server);
	dropped = tcp_sock_drops(pair.server);
	PROBE_TRY(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &abort_on_close,
			     sizeof(abort_on_close)));
	close(pair.client);
	probe_check(tcp_sock_wait_drop(pair.server, dropped) &&
		    tcp_sock_info(pair.server).tcpi_state == TCP_SOCK_ESTABLISHED,
		    "a RST inside the freeze leaves it established");
	tcp_sock_thaw(pair.server);
	PROBE_TRY(send(pair.server, &byte, 1, 0));
	probe_check(recv(pair.server, &byte, 1, 0) < 0,
		    "the RST itself is lost: the next segment sent brings another");
	close(pair.server);
	close(pair.listener);
}

static void prove_repair_still_receives(void)
{
	struct probe_pair pair;
	bool delivered, acked;

	probe_tcp_pair(&pair);
	tcp_sock_repair(pair.server, TCP_REPAIR_ON);
	tcp_sock_write(pair.client, PIECE, 0, UP);
	delivered = probe_wait_until(piece_unread, &pair.server);
	probe_check(delivered, "in repair mode alone data is delivered: %d of %d bytes unread",
		    tcp_sock_unread(pair.server), PIECE);
	acked = tcp_sock_wait_acked(pair.client);
	probe_check(acked, "and acknowledged: the peer holds %d", tcp_sock_unacked(pair.client));
	tcp_sock_repair(pair.server, TCP_REPAIR_OFF_NO_WP);
	close_pair(&pair);
}

int main(void)
{
	uint32_t dropped;

	probe_begin(50);
	probe_private_net(0);
	tcp_sock_need(IPPROTO_TCP, TCP_REPAIR, "TCP_REPAIR");
	dropped = prove_freeze();
	prove_end_is_dropped();
	prove_reset_is_dropped();
	prove_repair_still_receives();
	return probe_end("a one-instruction filter dropped %u segments of %d bytes unseen by TCP, "
			 "FIN and RST too; repair mode alone took the bytes in", dropped, PIECE);
}
