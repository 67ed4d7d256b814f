/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * export.c - a share's socket, and the virtiofsd that serves whoever comes there
 *
 * Runs in: hylicsd
 * Reads from: nothing: what comes over the socket is virtiofsd's business
 */
#include "hylicsd/export.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/own.h"
#include "common/unixsock.h"
#include "hylicsd/virtiofs.h"

#define SOCKET_MODE 0660
#define BACKLOG 4
#define PAUSE_MIN_MS 10
#define PAUSE_MAX_MS 10000
#define STEADY_MS 1000			/* one that lived this long did not die of its start */

static void rest(struct export *x)
{
	bool steady = hy_clock_ms() - x->began_ms >= STEADY_MS;

	x->pause_ms = hy_clock_pause(steady ? 0 : x->pause_ms, PAUSE_MIN_MS, PAUSE_MAX_MS);
	ev_timer_set(x->cfg.loop, &x->rest, x->pause_ms);
}

static void ended(void *object, struct proc *p, int status)
{
	struct export *x = object;

	(void)p;
	if (x->listener >= 0)
		rest(x);
	x->cfg.changed(x->cfg.object, false, status);
}

/* In the new process. */
static int enter(void *object, struct hy_err *e)
{
	const struct export *x = object;

	if (fcntl(x->listener, F_SETFD, 0) < 0)
		return hy_err_set(e, errno, "hand over '%s'", x->cfg.path);
	return x->cfg.enter(x->cfg.object, e);
}

static int start(struct export *x, struct hy_err *e)
{
	char *argv[VIRTIOFS_ARGS], program[HY_PATH_MAX + 1];
	struct proc_spec spec = { .dir = x->cfg.dir, .argv = argv, .enter = enter, .object = x };
	int rc;

	strncpy(program, x->cfg.program, sizeof(program) - 1);
	program[sizeof(program) - 1] = '\0';
	rc = virtiofs_words(program, x->listener, x->cfg.share, x->cfg.cache, argv);
	if (rc < 0)
		return hy_err_set(e, -rc, "start virtiofsd");
	rc = proc_start(&x->proc, x->cfg.loop, &spec, e);
	virtiofs_free_words(argv);
	return rc;
}

/* Somebody has come to the socket. */
static int on_guest(void *object, int fd, uint32_t events)
{
	struct export *x = object;
	struct hy_err e = { 0 };

	(void)events;
	ev_del(x->cfg.loop, fd);
	x->began_ms = hy_clock_ms();
	if (start(x, &e) == 0) {
		x->cfg.changed(x->cfg.object, true, 0);
		return 0;
	}
	hy_log_err(x->cfg.log, HY_LOG_ERR, &e);
	rest(x);
	return 0;
}

static void listener_drop(void *object, int fd, int rc)
{
	struct export *x = object;

	(void)rc;
	ev_del(x->cfg.loop, fd);
	rest(x);
}

static const struct ev_class listener_class = { "share's socket", on_guest, listener_drop };

static int wait_for_guest(struct export *x, struct hy_err *e)
{
	return ev_add(x->cfg.loop, x->listener, &listener_class, x, EPOLLIN, e);
}

static void rested(void *object)
{
	struct export *x = object;
	struct hy_err e = { 0 };

	if (wait_for_guest(x, &e) == 0)
		return;
	hy_log_err(x->cfg.log, HY_LOG_ERR, &e);
	ev_timer_set(x->cfg.loop, &x->rest, PAUSE_MAX_MS);
}

static void close_socket(struct export *x)
{
	ev_timer_cancel(x->cfg.loop, &x->rest);
	ev_del(x->cfg.loop, x->listener);
	hy_fd_close(&x->listener);
}

static int listen_at(const struct export_config *cfg, struct hy_err *e)
{
	hy_autofd fd = hy_unix_listen(cfg->path, SOCK_STREAM, SOCKET_MODE, BACKLOG, e);

	if (fd < 0)
		return fd;
	if (cfg->group && lchown(cfg->path, (uid_t)-1, cfg->group) < 0)
		return hy_err_set(e, errno, "'%s': give it to QEMU's group", cfg->path);
	return hy_fd_steal(&fd);
}

int export_open(struct export *x, const struct export_config *cfg, struct hy_err *e)
{
	int rc, runs;

	if (x->listener >= 0) {
		x->cfg.cache = cfg->cache;
		return 0;
	}
	*x = (struct export){ .cfg = *cfg, .listener = -1 };
	x->proc = (struct proc){ .name = EXPORT_PROC, .ended = ended, .object = x };
	x->rest = (struct ev_timer){ .fn = rested, .object = x };
	runs = proc_take_over(&x->proc, cfg->loop, cfg->dir, e);
	if (runs < 0)
		return runs;
	if (runs)
		unlink(cfg->path);	/* it may not have taken its guest yet, and listen there */
	rc = listen_at(cfg, e);
	if (rc < 0) {
		proc_forget(&x->proc);
		return rc;
	}
	x->listener = rc;
	rc = runs ? 0 : wait_for_guest(x, e);
	if (rc < 0)
		close_socket(x);
	return rc < 0 ? rc : 0;
}

bool export_serves(const struct export *x)
{
	return x->listener >= 0 && proc_runs(&x->proc);
}

bool export_close(struct export *x)
{
	if (x->listener >= 0) {
		unlink(x->cfg.path);
		close_socket(x);
	}
	proc_signal(&x->proc, SIGKILL);		/* it holds no state of its own */
	return !proc_runs(&x->proc);
}

void export_leave(struct export *x)
{
	if (x->listener >= 0)
		close_socket(x);
	proc_forget(&x->proc);
}
