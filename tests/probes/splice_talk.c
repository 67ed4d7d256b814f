/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice_talk.c - bytes through a connection, in step, every one looked at
 *
 * Runs in: probe-bpf_splice and the tests of the splice
 * Reads from: no untrusted input
 */
#include "tests/probes/splice_talk.h"
#include "tests/probes/tcp_sock.h"

#include <poll.h>
#include <sys/socket.h>

#define WAIT_MS 10000

bool splice_wait_for(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	return poll(&pfd, 1, WAIT_MS) > 0 && (pfd.revents & events);
}

bool splice_is_connected(int fd)
{
	return splice_wait_for(fd, POLLOUT) && tcp_sock_get(fd, SOL_SOCKET, SO_ERROR) == 0;
}

size_t splice_send_some(int fd, size_t at, size_t total, unsigned int stream)
{
	static unsigned char buf[16 * 1024];
	size_t len = total - at < sizeof(buf) ? total - at : sizeof(buf);
	ssize_t sent;

	probe_fill(buf, len, at, stream);
	sent = send(fd, buf, len, MSG_DONTWAIT);
	return sent < 0 ? 0 : (size_t)sent;
}

size_t splice_transfer(int from, int to, size_t total, unsigned int stream)
{
	static unsigned char buf[16 * 1024];
	size_t sent = 0;
	size_t right = 0;
	ssize_t got;

	while (right < total) {
		sent += splice_send_some(from, sent, total, stream);
		if (!splice_wait_for(to, POLLIN))
			break;
		got = recv(to, buf, sizeof(buf), MSG_DONTWAIT);
		if (got <= 0 || probe_first_wrong(buf, (size_t)got, right, stream) >= 0)
			break;
		right += (size_t)got;
	}
	return right;
}
