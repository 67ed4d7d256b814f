/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wall_init.h - the first process inside a wall
 *
 * Runs in: hylics, as process 1 of a wall
 * Reads from: its supervisor
 */
#ifndef HY_WALL_INIT_H
#define HY_WALL_INIT_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"

/* What the first process tells its supervisor, once: the first report counts. */
struct wall_report {
	int exit;		/* HY_EXIT_OK: the command has run; else why it has not */
	int status;		/* of the command, as wait() gives it */
	struct hy_err err;	/* set unless the command has run */
};

struct wall_inside {
	char *const *argv;	/* the command, NULL at the end */
	bool user_namespace;	/* the namespaces include a user namespace */
	uid_t uid;		/* outside */
	gid_t gid;
	bool own_group;		/* the command leads a process group of its own */
	sigset_t mask;		/* signal mask of the command */
	int control_fd;		/* one byte per signal for the command; ends with the supervisor */
	int report_fd;		/* takes one struct wall_report */
};

/**
 * wall_init() - Make the place, start the command, reap until it ends
 * @in:		What to do
 *
 * When this process ends, the kernel kills all that is left in the namespace.
 */
_Noreturn void wall_init(const struct wall_inside *in);

#endif
