/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memory.h - write(), writev(), send(), sendmsg() of mapped share memory
 *
 * Runs in: programs in a guest
 * Reads from: no untrusted input
 */
#ifndef HY_PRELOAD_MEMORY_H
#define HY_PRELOAD_MEMORY_H

#include <sys/socket.h>

/**
 * memory_sendmsg() - As sendmsg(2)
 * @sock:	From the program, all of them
 * @msg:	Message; one with an address or control data is the kernel's
 * @flags:	Flags
 *
 * For whoever takes sendmsg()'s place.
 *
 * Return: as sendmsg(2)
 */
ssize_t memory_sendmsg(int sock, const struct msghdr *msg, int flags);

#endif
