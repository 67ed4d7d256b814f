/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * swap.h - put another socket behind a number of the program, epolls included
 *
 * Runs in: programs in a guest
 * Reads from: no untrusted input
 */
#ifndef HY_LIB_SWAP_H
#define HY_LIB_SWAP_H

#include <sys/time.h>

#include "libhylics/users.h"

/* What belongs to the descriptor: O_NONBLOCK, time limits. */
struct swap_looks {
	int flags;			/* as F_GETFL says */
	struct timeval limit[2];	/* SO_RCVTIMEO, SO_SNDTIMEO */
};

/* A number of the program. */
struct swap_number {
	int sock;
	int flags;			/* for dup3(): close-on-exec as the program has it */
};

int swap_look(int sock, struct swap_looks *l);		/* Fills it; 0, -errno */
int swap_number(int sock, struct swap_number *n);	/* Fills it; 0, -errno */

/**
 * swap_like() - Make a socket look as the one in whose place it is going to be
 * @to:	Socket
 * @is:	How it looks
 * @as:	How the other one does
 *
 * Return: 0, -errno
 */
int swap_like(int to, const struct swap_looks *is, const struct swap_looks *as);

/**
 * swap_try() - Find out whether dup3() to a number of ours works, without changing anything
 * @copy:	Duplicate of what is behind @n
 * @n:		Number
 *
 * Return: 0, -errno: a limit that was lowered, a filter that forbids it
 */
int swap_try(int copy, const struct swap_number *n);

/**
 * swap_do() - Put @other behind a number
 * @number:	Number of the program
 * @copy:	Duplicate of what is behind it now
 * @other:	What shall be behind it
 * @u:		Who watches it
 *
 * Return: 0; -errno: it is all as it was
 */
int swap_do(const struct swap_number *number, int copy, int other, struct users *u);

#endif
