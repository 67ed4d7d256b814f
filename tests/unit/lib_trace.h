/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lib_trace.h - count the system calls of a piece of code
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#ifndef HY_LIB_TRACE_H
#define HY_LIB_TRACE_H

#define TRACE_ALL (-1)

/**
 * trace_calls() - Run code in a traced child and count its system calls
 * @code:	Called twice: what it does the first time is not counted. Returns 0 if all went well
 * @arg:	Handed to @code
 * @nr:		Number of the call that is counted, or TRACE_ALL
 *
 * Return: how many, -1 if @code did not return 0
 */
int trace_calls(int (*code)(void *arg, int turn), void *arg, long nr);

/* The first argument of the last call that was counted. */
long trace_last_arg(void);

#endif
