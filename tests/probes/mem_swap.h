/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem_swap.h - a swap file that goes when the probe does, in whatever way it ends
 *
 * Runs in: the probes, on the host and in a guest
 * Reads from: no untrusted input
 */
#ifndef HY_MEM_SWAP_H
#define HY_MEM_SWAP_H

#include <stdbool.h>
#include <stddef.h>

/**
 * mem_swap_bytes() - How large a swap file must be for @bytes of its maker to fit in any case
 * @dir:	Where it is to be
 * @bytes:	What its maker puts there, whole pages
 *
 * The machine may have put what it has idle there first, all of it: DAMON does so within seconds.
 *
 * Return: @bytes and all that could come beside it; @bytes if the disk has no room to spare
 */
size_t mem_swap_bytes(const char *dir, size_t bytes);

/**
 * mem_swap_on() - Give the machine a swap file in which @bytes fit
 * @bytes:	Whole pages
 *
 * The file is made in $HY_PROBE_DIR, else in the current directory. A guard process takes back
 * cgroup (mem_cgroup_make() comes before), swap and file as soon as this process is gone, kill -9
 * included. What a guard that was killed as well left in that directory is taken back here, first.
 *
 * Skips the whole probe (the reason on its line) where no swap can be had.
 */
void mem_swap_on(size_t bytes);

/**
 * mem_swap_off() - Take back cgroup, swap and file now, and wait until it is done
 *
 * Call it after everything that is swapped out has been let go. Also called at exit().
 *
 * Return: true if all of it is gone
 */
bool mem_swap_off(void);

#endif
