/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * child.h - the agent itself: the process that serves host and programs
 *
 * Runs in: hylics-agent
 * Reads from: the host over the channel (checked); programs of the guest (hostile), see local.c
 */
#ifndef AGENT_CHILD_H
#define AGENT_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "channel/addr.h"
#include "common/log.h"
#include "hylics-agent/threshold.h"

#define AGENT_NAME "hylics-agent"

/* What the command line said, checked. */
struct child_config {
	struct chan_addr addr;
	const char *sock_path;		/* of agent.sock */
	const char *share;		/* directory */
	const char *stats;		/* file for the counters, NULL: none */
	uint64_t keepalive_ms, dead_ms, alone_ms;	/* 0: as they are by default */
	uint64_t threshold;		/* 0: measured, beginning with @costs */
	struct threshold costs;
	bool offload;
	int log_level;
	pid_t holder;
};

/**
 * child_main() - Serve until told to stop
 * @cfg:	Configuration
 * @link:	To the holder
 *
 * Return: exit code
 */
int child_main(const struct child_config *cfg, int link);

#endif
