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
#include <sys/resource.h>

#include "common/fault.h"
#include "common/sandbox.h"

static void on_signal(void *object, int signo)
{
	struct hy_daemon *d = object;

	if (signo == SIGURG) {
		d->on_look(d->object);
		return;
	}
	hy_log(&d->log, HY_LOG_INFO, "stopping on signal %d", signo);
	if (signo == SIGUSR1)
		d->on_leave(d->object);
	else if (d->on_stop)
		d->on_stop(d->object);
	else
		ev_stop(&d->loop, HY_EXIT_OK);
}

int hy_daemon_open(struct hy_daemon *d, const struct hy_log *log, unsigned int max_fds,
		   int keep_fd, struct hy_err *e)
{
	const int signals[] = { SIGTERM, SIGINT, d->on_leave ? SIGUSR1 : SIGTERM,
				d->on_look ? SIGURG : SIGTERM, 0 };
	const char *wrong = hy_fault_init();
	int rc;

	d->log = *log;
	if (wrong)
		return hy_err_set(e, EINVAL, "%s", wrong);
	rc = hy_sandbox_started(keep_fd, e);
	if (rc < 0)
		return rc;
	rc = ev_open(&d->loop, max_fds, e);
	if (rc < 0)
		return rc;
	rc = ev_signals(&d->loop, signals, on_signal, d, e);
	if (rc < 0)
		ev_close(&d->loop);
	return rc;
}

void hy_daemon_files(const struct hy_log *log, unsigned int n)
{
	struct rlimit l, more;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur >= n)
		return;
	more = (struct rlimit){ .rlim_cur = n, .rlim_max = l.rlim_max < n ? n : l.rlim_max };
	if (setrlimit(RLIMIT_NOFILE, &more) == 0)
		return;
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
	hy_log(log, HY_LOG_INFO,
	       "%llu open descriptors allowed, not %u: fewer connections will fit",
	       (unsigned long long)l.rlim_cur, n);
}
