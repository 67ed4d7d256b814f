/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * discard.h - takes unread bytes out of a TCP socket without looking at them
 *
 * Runs in: hylics-agent, hylics-worker
 * Reads from: the kernel
 */
#ifndef HY_TCPMOVE_DISCARD_H
#define HY_TCPMOVE_DISCARD_H

#include <stdint.h>

/**
 * tcp_discard() - Throw unread bytes away; never waits
 * @sock:	TCP: sockets of other kinds take them out one message at a time
 * @n:		At most so many
 *
 * Return: how many; fewer than @n: there are no more, now or for ever
 */
uint64_t tcp_discard(int sock, uint64_t n);

#endif
