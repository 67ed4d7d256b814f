/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * report.h - tells the host how the guest is: memory, CPU time, share
 *
 * Runs in: hylics-agent
 * Reads from: the kernel (/proc)
 *
 * As a session begins, when the share comes or goes, and every HY_REPORT_MS; never twice within
 * HY_REPORT_MIN_MS. What is not known is told as 0.
 */
#ifndef AGENT_REPORT_H
#define AGENT_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ev.h"

struct agent;

struct reports {
	int memory, cpu, load;		/* files of /proc, -1: none */
	uint16_t cpus;
	uint64_t said_ms;		/* when the last one was said, 0: never */
	bool owed;			/* the channel had no room for it */
	struct ev_timer timer;
};

void report_open(struct agent *a);	/* before the agent is sealed */
void report_close(struct agent *a);

/* Something has changed: tell it, now or when the last time is long enough ago. */
void report_soon(struct agent *a);
void report_room(struct agent *a);	/* the channel has room again */

#endif
