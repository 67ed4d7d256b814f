/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * daemon.h - what every daemon does before its own business: stage one, log, loop, signals
 *
 * Runs in: every daemon
 * Reads from: no untrusted input
 */
#ifndef HY_DAEMON_H
#define HY_DAEMON_H

#include "common/ev.h"
#include "common/log.h"

struct hy_daemon {
	struct hy_log log;
	struct ev_loop loop;
};

/**
 * hy_daemon_open() - Begin: sandbox stage "started", fault steps, an empty loop
 * @d:		Filled; must stay where it is
 * @log:	Copied
 * @max_fds:	Of the loop
 * @e:		Error
 *
 * SIGTERM and SIGINT stop the loop with exit code 0.
 *
 * Return: 0, -errno
 */
int hy_daemon_open(struct hy_daemon *d, const struct hy_log *log, unsigned int max_fds,
		   struct hy_err *e);


#endif
