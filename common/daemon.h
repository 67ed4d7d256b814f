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
	/* what SIGTERM and SIGINT do; NULL: stop the loop at once with exit code 0 */
	void (*on_stop)(void *object);
	void (*on_leave)(void *object);	/* what SIGUSR1 does; NULL when opened: ends the process */
	void (*on_look)(void *object);	/* what SIGURG does; NULL when opened: nothing */
	void *object;
};

/**
 * hy_daemon_open() - Begin: sandbox stage "started", fault steps, an empty loop
 * @d:		Filled but for on_stop, on_leave and object; must stay where it is
 * @log:	Copied
 * @max_fds:	Of the loop
 * @keep_fd:	A descriptor the starter handed over on purpose, or -1
 * @e:		Error
 *
 * SIGTERM and SIGINT call on_stop(), which may be set before or after.
 *
 * Return: 0, -errno
 */
int hy_daemon_open(struct hy_daemon *d, const struct hy_log *log, unsigned int max_fds,
		   int keep_fd, struct hy_err *e);

/**
 * hy_daemon_files() - Allow this process, and what it starts, many open descriptors
 * @log:	Told if the machine does not allow as many
 * @n:		So many would be enough for everything; with fewer, fewer connections are taken
 */
void hy_daemon_files(const struct hy_log *log, unsigned int n);

#endif
