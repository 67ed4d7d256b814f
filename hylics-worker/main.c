/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - hylics-worker: the host's end of one VM's channel
 *
 * Runs in: hylics-worker (host; needs no privilege so far)
 * Reads from: the guest over the channel (hostile)
 */
#include <errno.h>
#include <stddef.h>

#include "channel/chan.h"
#include "common/clock.h"
#include "common/daemon.h"
#include "common/opt.h"
#include "common/sandbox.h"
#include "hylics-worker/measure.h"
#include "version.h"

#define SOFTWARE "hylics-worker " HY_VERSION

struct values {
	const char *channel;
	const char *vm;
	int64_t pings, ping_bytes;
	uint64_t soak_bytes;
	uint64_t keepalive_ms, dead_ms, timeout_ms;
	int log_level;
	bool json;
};

static const struct values defaults = {
	.vm = "vm",
	.ping_bytes = 64,
	.log_level = HY_LOG_INFO,
};

#define OPTION(field) offsetof(struct values, field)

static const struct hy_opt options[] = {
	{ .name = "channel", .type = HY_OPT_STRING, .offset = OPTION(channel), .arg = "ADDRESS",
	  .help = "serial:PATH, unix:PATH or vsock:CID[:PORT]", .required = true },
	{ .name = "vm", .type = HY_OPT_STRING, .offset = OPTION(vm), .arg = "NAME",
	  .help = "name of the VM in the log (default vm)" },
	{ .name = "ping", .type = HY_OPT_INT, .offset = OPTION(pings), .arg = "COUNT",
	  .help = "measure COUNT round trips, print them as JSON, and end", .min = 1,
	  .max = HY_PING_COUNT_MAX },
	{ .name = "ping-bytes", .type = HY_OPT_INT, .offset = OPTION(ping_bytes), .arg = "N",
	  .help = "length of a ping's payload (default 64)", .max = MSG_PING_MAX },
	{ .name = "soak", .type = HY_OPT_SIZE, .offset = OPTION(soak_bytes), .arg = "SIZE",
	  .help = "meanwhile send bulk messages of SIZE, one after the other", .min = 1,
	  .max = HY_MESSAGE_MAX },
	{ .name = "timeout", .type = HY_OPT_DURATION, .offset = OPTION(timeout_ms), .arg = "TIME",
	  .help = "with --ping: give up after TIME", .min = 1 },
	{ .name = "json", .type = HY_OPT_FLAG, .offset = OPTION(json),
	  .help = "print errors as JSON too (measurements always are)" },
	{ .name = "keepalive", .type = HY_OPT_DURATION, .offset = OPTION(keepalive_ms),
	  .arg = "TIME", .help = "ask a silent guest whether it lives after TIME (default 5s)",
	  .min = 1 },
	{ .name = "dead", .type = HY_OPT_DURATION, .offset = OPTION(dead_ms), .arg = "TIME",
	  .help = "give a silent guest up after TIME (default 15s)", .min = 1 },
	{ .name = "log-level", .type = HY_OPT_CHOICE, .offset = OPTION(log_level), .arg = "LEVEL",
	  .help = "error, warning, info or debug (default info)", .choices = hy_log_words },
	{ 0 },
};

static const char *const syscalls[] = {
	"accept4", "brk", "clock_gettime", "clock_nanosleep", "close", "connect", "epoll_ctl",
	"epoll_wait", "exit", "exit_group", "fcntl", "fstat", "futex", "getpid", "getrandom",
	"kill", "madvise", "mmap", "mprotect", "munmap", "nanosleep", "newfstatat", "read",
	"rt_sigreturn", "setsockopt", "socket", "uname", "unlink", "write", NULL,
};

struct worker {
	struct hy_daemon daemon;
	struct chan chan;
	struct measure measure;
	struct ev_timer timeout;
	bool measuring, timed_out;
};

static void worker_up(void *object, const struct msg_hello *peer)
{
	struct worker *w = object;

	(void)peer;
	if (w->measuring)
		measure_up(&w->measure);
}

static void worker_down(void *object, const char *why)
{
	struct worker *w = object;

	(void)why;
	if (w->measuring)
		measure_down(&w->measure);
}

static int worker_message(void *object, const struct message *m)
{
	struct worker *w = object;

	return w->measuring ? measure_message(&w->measure, m) : -EPROTO;
}

static const struct chan_ops worker_ops = { worker_up, worker_down, worker_message };

static void measured(void *object)
{
	struct worker *w = object;

	ev_stop(&w->daemon.loop, HY_EXIT_OK);
}

static void on_timeout(void *object)
{
	struct worker *w = object;

	w->timed_out = true;
	ev_stop(&w->daemon.loop, HY_EXIT_FAILED);
}

static int start_measuring(struct worker *w, const struct values *v, struct hy_err *e)
{
	w->measuring = v->pings || v->soak_bytes;
	if (!w->measuring)
		return 0;
	w->measure.chan = &w->chan;
	w->measure.pings = (uint32_t)v->pings;
	w->measure.ping_bytes = (uint32_t)v->ping_bytes;
	w->measure.soak_bytes = (uint32_t)v->soak_bytes;
	w->measure.done = measured;
	w->measure.object = w;
	w->timeout = (struct ev_timer){ .fn = on_timeout, .object = w };
	if (v->timeout_ms)
		ev_timer_set(&w->daemon.loop, &w->timeout, v->timeout_ms);
	return measure_open(&w->measure, e);
}

static int serve(struct worker *w, const struct values *v, struct hy_err *e)
{
	struct chan_config cfg = { .role = ROLE_HOST, .software = SOFTWARE,
				   .keepalive_ms = v->keepalive_ms, .dead_ms = v->dead_ms };
	int rc = chan_addr_parse(v->channel, ROLE_HOST, &cfg.addr, e);

	if (rc == 0)
		rc = start_measuring(w, v, e);
	if (rc == 0)
		rc = chan_open(&w->chan, &cfg, &worker_ops, w, &w->daemon.loop, &w->daemon.log, e);
	if (rc < 0)
		return rc;
	/* what a listening side opens is open; all a connecting one needs later is connect() */
	rc = hy_sandbox_bare(0, e);
	if (rc == 0)
		rc = hy_sandbox_sealed(syscalls, e);
	if (rc == 0)
		rc = ev_run(&w->daemon.loop, e);
	chan_close(&w->chan);
	if (w->timed_out)
		return hy_err_set(e, ETIMEDOUT, "%u of %u pings were answered", w->measure.n,
				  w->measure.pings);
	return rc;
}

static int run(const void *values, int argc, char **argv, struct hy_err *e)
{
	static struct worker w;		/* large, and there is one per process */
	const struct values *v = values;
	struct hy_log log = { .program = "hylics-worker", .object = v->vm,
			      .level = (enum hy_log_level)v->log_level };
	int rc;

	(void)argc;
	(void)argv;
	w.measure.started_ns = hy_clock_ns();
	if (hy_daemon_open(&w.daemon, &log, 1024, e) < 0)
		return hy_err_exit(e);
	rc = serve(&w, v, e);
	ev_close(&w.daemon.loop);
	if (w.measuring && rc == 0)
		measure_print(&w.measure);
	measure_close(&w.measure);
	return rc < 0 ? hy_err_exit(e) : rc;
}

static const struct hy_cmd command = {
	.name = "hylics-worker",
	.args = "",
	.summary = "the host's end of one VM's channel",
	.options = options,
	.values_size = sizeof(struct values),
	.defaults = &defaults,
	.run = run,
};

int main(int argc, char **argv)
{
	return hy_opt_main(&command, argc, argv);
}
