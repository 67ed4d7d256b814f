/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * slice.h - a piece of a file, and how it goes down the pair
 *
 * Runs in: programs in a guest
 * Reads from: no untrusted input
 */
#ifndef HY_LIB_SLICE_H
#define HY_LIB_SLICE_H

#include <netinet/tcp.h>
#include <sys/types.h>

#include "libhylics/lib.h"

struct slice {
	int file;
	uint64_t offset, len;
	uint64_t left;		/* of the file from @offset */
	uint64_t done;		/* bytes of it in the pair, see slice_begin() */
	int tell;		/* who is told when they have gone; -1: nobody */
	uint64_t dev, ino;	/* of the file; 0: not looked at */
};

/**
 * slice_of() - What a call would send, if it is the plain case
 * @c:		Entry of the socket
 * @file:	From the program: anything
 * @offset:	In it
 * @count:	Bytes asked for
 * @s:		Set on success; not longer than the file, nor than one call of the kernel sends.
 *		On failure only dev and ino are, if the file was looked at
 *
 * Return: MOVE_DONE, or why the plain call shall see to it
 */
enum move_reason slice_of(struct lib_conn *c, int file, off_t offset, size_t count,
			  struct slice *s);

/**
 * slice_flush() - Let the host's file have what this guest has of it
 * @s:	Slice
 *
 * The host reads the file. What a program has stored through a shared mapping is in this kernel
 * alone until somebody writes it back, and read(2) and sendfile(2) show it here at once. On a share
 * that is memory of this kernel there is nothing to do.
 *
 * Return: MOVE_DONE, MOVE_ERROR if the plain call shall see to it
 */
enum move_reason slice_flush(const struct slice *s);

/**
 * slice_first() - How long the first markers of a connection may be
 * @info:	What TCP says of it before it is moved
 *
 * Return: HY_SLICE_NEW to HY_SLICE_ALONE
 */
uint32_t slice_first(const struct tcp_info *info);

/**
 * slice_begin() - Put its first marker into a fresh pair, which nobody reads yet
 * @c:		Entry of the socket, with the slot it is going to have
 * @pair:	The program's end
 * @s:		Slice; slice_put() goes on with it
 * @waits:	The socket blocks, and the call may
 *
 * So the agent finds it in its first look. Whatever fails, slice_put() does it all, and says so.
 */
void slice_begin(struct lib_conn *c, int pair, struct slice *s, bool waits);

/* It has not begun after all: the pair is dropped, and the marker with it. */
void slice_forget(struct slice *s);

/**
 * slice_put() - Put it into the pair, in markers
 * @c:		Entry of the socket, a pair
 * @sock:	Number
 * @s:		Slice; done with
 * @may_wait:	If the socket blocks: until it is in the pair, and then in the host's socket. A call
 *		that goes on with the marker of one that did not wait, waits for the pair alone
 *
 * Return: bytes in the pair, fewer only where a call that blocks was interrupted or has waited for
 * SO_SNDTIMEO, or one that does not found the pair full; -errno if none: -EAGAIN, -EINTR, or
 * anything else, which a plain call will say better
 */
ssize_t slice_put(struct lib_conn *c, int sock, struct slice *s, bool may_wait);

#endif
