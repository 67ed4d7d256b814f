/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * counts.c - how far a living copy has come, as its kernel counts it
 *
 * Runs in: hylics-worker, its keeper
 * Reads from: the kernel
 *
 * A copy's counters begin at 0 with tcp_restore(): what stands in the restored queues is counted
 * like any other byte, and each end's FIN counts as one, as it does in sequence numbers. FINs are
 * known by the state of the connection alone; SIOCINQ leaves the peer's out.
 */
#include <errno.h>
#include <stdbool.h>

#include "tcpmove/image.h"
#include "tcpmove/sockopt.h"

/* Each try fails only if a segment came during its few system calls. */
#define TRIES_MAX 1000

/* What belongs together: read while nothing arrived. */
struct counters {
	struct tcp_info info;
	uint32_t unacked, unread;
};

static bool same(const struct tcp_info *a, const struct tcp_info *b)
{
	return a->tcpi_state == b->tcpi_state && a->tcpi_bytes_acked == b->tcpi_bytes_acked &&
	       a->tcpi_bytes_received == b->tcpi_bytes_received;
}

/* syscalls: ioctl(_, SIOCINQ), ioctl(_, SIOCOUTQ) */
static int read_counters(int sock, struct counters *c, struct hy_err *e)
{
	struct tcp_info before;
	int rc = sockopt_info(sock, &before, e);

	for (int try = 0; !rc && try < TRIES_MAX; try++) {
		rc = sockopt_queued(sock, SIOCOUTQ, &c->unacked, e);
		if (!rc)
			rc = sockopt_queued(sock, SIOCINQ, &c->unread, e);
		if (!rc)
			rc = sockopt_info(sock, &c->info, e);
		if (!rc && same(&before, &c->info))
			return 0;
		before = c->info;
	}
	return rc ? rc : hy_err_set(e, EAGAIN, "counters that do not stand still");
}

static bool fin_is_queued(unsigned int state)
{
	return state == TCP_SOCK_FIN_WAIT1 || state == TCP_SOCK_FIN_WAIT2 ||
	       state == TCP_SOCK_CLOSING || state == TCP_SOCK_LAST_ACK;
}

static bool fin_has_come(unsigned int state)
{
	return state == TCP_SOCK_CLOSE_WAIT || state == TCP_SOCK_CLOSING ||
	       state == TCP_SOCK_LAST_ACK;
}

int tcp_stream_counts(int sock, uint32_t img_send_len, uint64_t *queued, uint64_t *read,
		      struct hy_err *e)
{
	struct counters c;
	uint64_t written, taken;
	int rc = read_counters(sock, &c, e);

	if (rc)
		return rc;
	if (c.info.tcpi_state == TCP_SOCK_CLOSE)
		return hy_err_set(e, ENOTCONN, "count the bytes of a connection that has ended");
	written = c.info.tcpi_bytes_acked + c.unacked - fin_is_queued(c.info.tcpi_state);
	taken = c.info.tcpi_bytes_received - c.unread - fin_has_come(c.info.tcpi_state);
	if (written < img_send_len)
		return hy_err_set(e, ERANGE, "a copy that was not restored whole");
	*queued = written - img_send_len;
	*read = taken;
	return 0;
}
