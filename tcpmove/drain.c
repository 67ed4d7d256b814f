/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drain.c - waits until little enough is in flight for a connection to move
 *
 * Runs in: hylics-agent (before it goes to the host), hylics-worker (before it goes home)
 * Reads from: the kernel
 */
#include "tcpmove/drain.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <sys/ioctl.h>

#include "common/limits.h"
#include "tcpmove/sockopt.h"

#define US_PER_MS 1000

/* syscalls: ioctl(_, SIOCOUTQ) */
bool tcp_drained(struct tcp_drain *d, int sock, uint64_t now_ms)
{
	struct tcp_info info = { 0 };
	uint64_t patience_ms;
	int left = 0;

	/* whatever is wrong with the socket, waiting does not mend it */
	if (sockopt_info(sock, &info, NULL) < 0 || ioctl(sock, SIOCOUTQ, &left) < 0)
		return true;
	if (!d->since_ms)
		*d = (struct tcp_drain){ .since_ms = now_ms, .quiet_ms = now_ms, .left = left };
	if (left != d->left) {
		d->left = left;
		d->quiet_ms = now_ms;
	}
	if ((unsigned int)left <= HY_DRAIN_BYTES && info.tcpi_unacked <= HY_AGAIN_SEGMENTS)
		return true;
	patience_ms = 2 * (uint64_t)info.tcpi_rtt / US_PER_MS;
	if (patience_ms < HY_DRAIN_QUIET_MS)
		patience_ms = HY_DRAIN_QUIET_MS;
	return now_ms - d->quiet_ms >= patience_ms || now_ms - d->since_ms >= HY_DRAIN_WAIT_MS;
}
