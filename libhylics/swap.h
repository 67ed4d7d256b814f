/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * swap.h - put another socket behind a number of the program, epolls included
 *
 * Runs in: programs in a guest
 * Reads from: no untrusted input
 */
#ifndef HY_LIB_SWAP_H
#define HY_LIB_SWAP_H

#include "libhylics/users.h"

/**
 * swap_like() - Give a socket what belongs to the descriptor: O_NONBLOCK, time limits
 * @to:		Socket
 * @from:	The one in whose place it is going to be
 *
 * Return: 0, -errno
 */
int swap_like(int to, int from);

/**
 * swap_try() - Find out whether dup3() to a number of ours works, without changing anything
 * @copy:	Duplicate of what is behind @sock
 * @sock:	Number
 *
 * Return: 0, -errno: a limit that was lowered, a filter that forbids it
 */
int swap_try(int copy, int sock);

/**
 * swap_do() - Put @other behind @sock
 * @sock:	Number of the program
 * @copy:	Duplicate of what is behind it now
 * @other:	What shall be behind it
 * @u:		Who watches it
 *
 * Return: 0; -errno: it is all as it was
 */
int swap_do(int sock, int copy, int other, struct users *u);

#endif
