/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usage.h - what a process and all it has started take of the machine
 *
 * Runs in: hylics-keeper
 * Reads from: /proc
 */
#ifndef HY_KEEPER_USAGE_H
#define HY_KEEPER_USAGE_H

#include <stdint.h>
#include <sys/types.h>

#define USAGE_PROCESSES_MAX 256		/* what is more is left out */

struct usage {
	uint64_t cpu_us;		/* ended ones they have waited for too */
	uint64_t memory;		/* bytes in memory; what several share counts for each */
};

/* Return: how many processes were looked at; 0: @pid has ended */
unsigned int usage_read(pid_t pid, struct usage *u);

#endif
