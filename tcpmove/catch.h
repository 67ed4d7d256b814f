/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * catch.h - a program that freezes connections, and keeps what they do not hear
 *
 * Runs in: hylics-agent, hylics-worker; loaded by hylics-agent, hylics-keeper
 * Reads from: the kernel; what is kept was sent by clients (hostile) and is not looked at here
 *
 * DOC: The ring
 *
 * tcp_freeze() makes a socket drop what arrives. With this program each segment is copied first,
 * from its TCP header on, into a ring buffer of the kernel's (BPF_MAP_TYPE_RINGBUF, Linux 5.8)
 * that this process has mapped, under the cookie of the socket, which is the same wherever the
 * socket is looked at. Nobody is woken: whoever wants to know looks, which is reading memory.
 *
 * A place in the ring is a number that only grows. What lies before the place given to
 * tcp_catch_forget() is overwritten, nothing else is: when the ring is full, segments are dropped
 * without a copy, and so are those longer than HY_LATE_MAX.
 */
#ifndef HY_TCPMOVE_CATCH_H
#define HY_TCPMOVE_CATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct tcp_catch {
	unsigned long *forgotten;	/* mapped: written here, read by the kernel; NULL: none */
	const unsigned long *end;	/* mapped: written by the kernel */
	const uint8_t *records;		/* mapped, twice in a row, so that each is in one piece */
};

struct tcp_caught {
	uint64_t cookie;		/* SO_COOKIE of the frozen socket */
	const uint8_t *segment;		/* in the ring */
	size_t len;
};

/**
 * tcp_catch_load() - Make a ring, load the program that fills it
 * @ring:	Set to the ring's descriptor, the caller's
 * @e:		Error
 *
 * Takes CAP_BPF. Sockets that are frozen with the program keep it and the ring in the kernel.
 *
 * Return: the program's, the caller's, for tcp_freeze_use() of any process; -errno, -EINVAL from a
 * kernel without such rings
 */
int tcp_catch_load(int *ring, struct hy_err *e);

/**
 * tcp_catch_open() - Look into a ring
 * @c:		Filled
 * @ring:	From tcp_catch_load() of any process; not needed afterwards
 * @e:		Error
 *
 * One process at a time. Whoever writes nonsense into the mapped memory harms nobody but himself.
 *
 * Return: 0, -errno: @c is closed
 */
int tcp_catch_open(struct tcp_catch *c, int ring, struct hy_err *e);
void tcp_catch_close(struct tcp_catch *c);
bool tcp_catch_is_open(const struct tcp_catch *c);

/* Under what a socket's segments are kept; 0 for what is no socket. */
uint64_t tcp_catch_cookie(int sock);

/* The place behind the last segment. */
uint64_t tcp_catch_end(const struct tcp_catch *c);

/**
 * tcp_catch_next() - The next segment in the ring
 * @c:		Open
 * @place:	Where to look; moved behind what was found, or was passed over
 * @got:	Set if there is one; good until tcp_catch_forget()
 *
 * Return: false at the end, or at a segment that is just being copied
 */
bool tcp_catch_next(const struct tcp_catch *c, uint64_t *place, struct tcp_caught *got);

/* What lies before this place is not needed any more. It may be any place ever told. */
void tcp_catch_forget(const struct tcp_catch *c, uint64_t place);

#endif
