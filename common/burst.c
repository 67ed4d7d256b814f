/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * burst.c - several datagrams of one size with one call, cut by the kernel where it can
 *
 * Runs in: libhylics, hylics-worker
 * Reads from: the kernel
 */
#include "common/burst.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

/* Of linux/udp.h, whose names clash with libc's. */
#define UDP_SEGMENT_OPTION 103

/* syscalls: sendto */
static ssize_t send_singly(int sock, const uint8_t *buf, size_t len, uint32_t bytes, int flags)
{
	size_t sent = 0;

	while (sent < len) {
		size_t next = len - sent < bytes ? len - sent : bytes;
		ssize_t n = send(sock, buf + sent, next, flags);

		if (n < 0)
			return sent ? (ssize_t)sent : -errno;
		sent += (size_t)n;
	}
	return (ssize_t)sent;
}

/* syscalls: sendmsg */
static ssize_t send_cut(int sock, const uint8_t *buf, size_t len, uint32_t bytes, int flags)
{
	union {
		struct cmsghdr head;
		uint8_t room[CMSG_SPACE(sizeof(uint16_t))];
	} control = { .head = { .cmsg_level = IPPROTO_UDP, .cmsg_type = UDP_SEGMENT_OPTION,
				.cmsg_len = CMSG_LEN(sizeof(uint16_t)) } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	uint16_t size = (uint16_t)bytes;
	ssize_t n;

	memcpy(CMSG_DATA(&control.head), &size, sizeof(size));
	n = sendmsg(sock, &m, flags);
	return n < 0 ? -errno : n;
}

/*
 * Its words: EIO without checksums by a device, EINVAL or EMSGSIZE for what does not fit into the
 * MTU, or of a kernel that knows nothing of it. Sent singly they get the word that is right.
 */
static bool is_not_cut(ssize_t rc)
{
	return rc == -EIO || rc == -EINVAL || rc == -EMSGSIZE || rc == -EOPNOTSUPP ||
	       rc == -ENOPROTOOPT;
}

ssize_t burst_send(int sock, const uint8_t *buf, size_t len, uint32_t bytes, int flags,
		   bool *singly)
{
	ssize_t n;

	if (len <= bytes || *singly)
		return send_singly(sock, buf, len, bytes, flags);
	n = send_cut(sock, buf, len, bytes, flags);
	if (!is_not_cut(n))
		return n;
	*singly = true;
	return send_singly(sock, buf, len, bytes, flags);
}
