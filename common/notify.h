/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * notify.h - what a daemon and its service manager (systemd) say to each other
 *
 * Runs in: hylicsd, hylics-agent
 * Reads from: the environment of whoever started the process
 *
 * Without a service manager nothing is said, and nothing is handed over: both are no errors.
 */
#ifndef HY_NOTIFY_H
#define HY_NOTIFY_H

#include "common/err.h"

#define HY_NOTIFY_READY "READY=1"
#define HY_NOTIFY_STOPPING "STOPPING=1"

/**
 * hy_notify() - Tell the service manager
 * @state:	"READY=1", "STOPPING=1", "STATUS=words", or several with newlines between them
 * @e:		Error; no reason to end
 *
 * Never blocks. The socket is the one in NOTIFY_SOCKET, a path or, with "@" in front, an abstract
 * name.
 *
 * Return: 1 if it was told, 0 if there is nobody to tell, -errno
 */
int hy_notify(const char *state, struct hy_err *e);

/**
 * hy_notify_listener() - The listening socket the service manager has handed over
 * @e:	Error: it handed over something else, or several
 *
 * To be called before anything opens a descriptor, and before hy_sandbox_started(), which has to
 * keep it. From then on the process's children do not inherit it, nor the variables about it.
 *
 * Return: a non-blocking descriptor, the caller's, -ENOENT if there is none (@e is untouched),
 * else -errno
 */
int hy_notify_listener(struct hy_err *e);

#endif
