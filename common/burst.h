/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * burst.h - several datagrams of one size with one call, cut by the kernel where it can
 *
 * Runs in: libhylics, hylics-worker
 * Reads from: the kernel
 */
#ifndef HY_BURST_H
#define HY_BURST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * burst_send() - Send bytes as datagrams
 * @sock:	Connected UDP socket
 * @buf:	Bytes
 * @len:	At most HY_DATAGRAM_MAX, at most HY_BURST_DATAGRAMS datagrams
 * @bytes:	Of each datagram; the last may have fewer
 * @flags:	As of send(2)
 * @singly:	Set when the kernel does not cut: from then on each goes by itself
 *
 * Return: bytes sent, whole datagrams; -errno if none was, as of send(2)
 */
ssize_t burst_send(int sock, const uint8_t *buf, size_t len, uint32_t bytes, int flags,
		   bool *singly);

#endif
