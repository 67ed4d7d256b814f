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
 * mem_swap_on() - Give the machine a swap file of @bytes
 * @bytes:	Size, whole pages
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
