/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gate.h - whether this process may move anything at all
 *
 * Runs in: programs in a guest
 * Reads from: /proc/self/status
 *
 * The answer is lib_is_shut(), which costs one load. Where it is shut the preload makes the call of
 * the C library and no other: a system call that the program's filter does not know may kill it.
 */
#ifndef HY_PRELOAD_GATE_H
#define HY_PRELOAD_GATE_H

#include <stdbool.h>

/**
 * gate_open() - Decide, once for a process, before the first call of ours to the kernel
 *
 * Done at the start already, unless another library's constructor comes before ours.
 *
 * Return: true if connections may be moved
 */
bool gate_open(void);

/* Where the C library says whether there is one thread alone; 0 where it does not. */
extern const char *gate_single;

/* Has the process surely one thread alone? */
static inline bool gate_one_thread(void)
{
	return *gate_single;
}

#endif
