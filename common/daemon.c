/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * daemon.c - what every daemon does before its own business: stage one, log, loop, signals
 *
 * Runs in: every daemon
 * Reads from: no untrusted input
 */
#include "common/daemon.h"

#include <errno.h>
#include <signal.h>

#include "common/fault.h"
#include "common/sandbox.h"

static void on_signal(void *object, int signo)
{
	struct hy_daemon *d = object;

	hy_log(&d->log, HY_LOG_INFO, "stopping on signal %d", signo);
	ev_stop(&d->loop, HY_EXIT_OK);
}

int hy_daemon_open(struct hy_daemon *d, const struct hy_log *log, unsigned int max_fds,
		   struct hy_err *e)
{
	static const int stops[] = { SIGTERM, SIGINT, 0 };
	const char *wrong = hy_fault_init();
	int rc;

	d->log = *log;
	if (wrong)
		return hy_err_set(e, EINVAL, "%s", wrong);
	rc = hy_sandbox_started(-1, e);
	if (rc < 0)
		return rc;
	rc = ev_open(&d->loop, max_fds, e);
	if (rc < 0)
		return rc;
	rc = ev_signals(&d->loop, stops, on_signal, d, e);
	if (rc < 0)
		ev_close(&d->loop);
	return rc;
}
