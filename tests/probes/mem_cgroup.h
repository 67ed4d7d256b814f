/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem_cgroup.h - one memory cgroup of the probe's own, version 1 or 2
 *
 * Runs in: the probes, on the host and in a guest
 * Reads from: no untrusted input
 */
#ifndef HY_MEM_CGROUP_H
#define HY_MEM_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/**
 * mem_cgroup_make() - Make the cgroup, empty, when no other probe on this machine has one
 * @limit:	Bytes of memory; what is more goes to swap, and swap is not limited
 *
 * It is made below $HYLICS_LAB_CGROUP if that is set, else named as the lab's sweep expects.
 * Skips the whole probe where there is no memory controller.
 */
void mem_cgroup_make(size_t limit);

/**
 * mem_cgroup_join() - Move the calling process, a probe_fork() child, into the cgroup
 *
 * What it then writes to a tmpfs is charged to the cgroup, and stays so after its end.
 */
void mem_cgroup_join(void);

/**
 * mem_cgroup_set_limit() - Change the limit while the memory is in use
 * @limit:	Bytes of memory
 *
 * Return: 0, or -errno (-EBUSY: the kernel could not move enough out)
 */
int mem_cgroup_set_limit(size_t limit);

/**
 * mem_cgroup_usage() - Bytes of memory that are charged now, without swap
 */
size_t mem_cgroup_usage(void);

/**
 * mem_cgroup_stat() - One line of the cgroup's memory.stat
 * @name:	Of the line
 *
 * The kernel counts in batches per CPU: up to some hundred pages may not be in yet.
 *
 * Return: its bytes, -1 if this kernel has no such line
 */
ssize_t mem_cgroup_stat(const char *name);

/**
 * mem_cgroup_swap() - Bytes of the cgroup's memory that are in swap
 *
 * Return: the bytes, as late as mem_cgroup_stat(); -1 if this kernel does not count them
 */
ssize_t mem_cgroup_swap(void);

/**
 * mem_cgroup_remove() - Remove the cgroup, waiting for a task that is just ending
 *
 * Return: true if it is gone or was never made
 */
bool mem_cgroup_remove(void);

#endif
