/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * share.h - where the guest has its share: what is there now, and that it has changed
 *
 * Runs in: hylics-agent (agent; the functions without an agent in the holder, too)
 * Reads from: the kernel's mount table; the share's root, of which nothing is asked that its host
 * would have to answer
 *
 * Who mounted it, the holder or somebody else, and when, is all the same: the agent looks at its
 * start and whenever the mount table changes. A directory that is no mount is taken for the share
 * as well: a guest that is a namespace has no other.
 */
#ifndef AGENT_SHARE_H
#define AGENT_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "proto/report.h"

struct agent;

struct share {
	const char *path;
	int table;			/* mount table, -1: not watched */
	uint64_t dev, mount;		/* of what is there now */
	uint8_t kind;			/* enum report_share */
};

/* Look at @path now and after every change; what cannot be watched is said in the log. */
void share_open(struct agent *a, const char *path);
void share_close(struct agent *a);

/* Whether something is mounted at @path itself, below @dir or AT_FDCWD. Asks no host. */
bool share_is_mount(int dir, const char *path);

/* The mount table, whose changes are EPOLLPRI. Return: descriptor, -1 with errno */
int share_table(void);

#endif
