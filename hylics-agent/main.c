/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - hylics-agent: the guest's end of the channel
 *
 * Runs in: hylics-agent (guest, root)
 * Reads from: the host over the channel (checked); programs of the guest (hostile), see local.c
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "channel/chan.h"
#include "common/clock.h"
#include "common/daemon.h"
#include "common/opt.h"
#include "common/sandbox.h"
#include "hylics-agent/local.h"
#include "version.h"

#define SOFTWARE "hylics-agent " HY_VERSION
#define RUN_DIR "/run/hylics"

struct values {
	const char *channel;
	const char *run_dir;
	uint64_t keepalive_ms, dead_ms;
	int log_level;
};

static const struct values defaults = {
	.channel = "serial",
	.log_level = HY_LOG_INFO,
};

#define OPTION(field) offsetof(struct values, field)

static const struct hy_opt options[] = {
	{ .name = "channel", .type = HY_OPT_STRING, .offset = OPTION(channel), .arg = "ADDRESS",
	  .help = "serial, serial:DEVICE, unix:PATH or vsock[:CID[:PORT]] (default serial)" },
	{ .name = "run-dir", .type = HY_OPT_STRING, .offset = OPTION(run_dir), .arg = "DIR",
	  .help = "where agent.sock goes (default $HYLICS_RUN_DIR, else " RUN_DIR ")" },
	{ .name = "keepalive", .type = HY_OPT_DURATION, .offset = OPTION(keepalive_ms),
	  .arg = "TIME", .help = "ask a silent host whether it lives after TIME (default 5s)",
	  .min = 1 },
	{ .name = "dead", .type = HY_OPT_DURATION, .offset = OPTION(dead_ms), .arg = "TIME",
	  .help = "give a silent host up after TIME (default 15s)", .min = 1 },
	{ .name = "log-level", .type = HY_OPT_CHOICE, .offset = OPTION(log_level), .arg = "LEVEL",
	  .help = "error, warning, info or debug (default info)", .choices = hy_log_words },
	{ 0 },
};

static const char *const syscalls[] = {
	"accept4", "bind", "brk", "chmod", "clock_gettime", "clock_nanosleep", "close",
	"connect", "epoll_ctl", "epoll_wait", "exit", "exit_group", "fcntl", "fstat",
	"futex", "getdents64", "getpid", "getrandom", "getsockopt", "kill", "lseek",
	"madvise", "mmap", "mprotect", "munmap", "nanosleep", "newfstatat", "open",
	"openat", "poll", "read", "recvmsg", "rt_sigreturn", "sendmsg", "setsockopt",
	"socket", "uname", "unlink", "write", NULL,
};

struct agent {
	struct hy_daemon daemon;
	struct chan chan;
	struct agent_local local;
	uint64_t started_ms;
	char peer_software[HY_VERSION_TEXT_MAX];
	char sock_path[256];
};

static void agent_up(void *object, const struct msg_hello *peer)
{
	struct agent *a = object;

	memcpy(a->peer_software, peer->software, sizeof(a->peer_software));
}

static void agent_down(void *object, const char *why)
{
	struct agent *a = object;

	(void)why;
	a->peer_software[0] = '\0';
}

/* So far the host only pings and soaks, which the channel answers itself. */
static int agent_message(void *object, const struct message *m)
{
	(void)object;
	(void)m;
	return -EPROTO;
}

static const struct chan_ops agent_ops = { agent_up, agent_down, agent_message };

static void agent_status(void *object, struct local_status *s)
{
	const struct agent *a = object;

	*s = (struct local_status){
		.channel_state = (uint8_t)a->chan.state,
		.transport = (uint8_t)a->chan.cfg.addr.kind,
		.epoch = a->chan.epoch,
		.peer_epoch = a->chan.peer_epoch,
		.sessions = a->chan.count.sessions,
		.resyncs = a->chan.count.resyncs,
		.faults = a->chan.count.faults,
		.silences = a->chan.count.silences,
		.uptime_ms = hy_clock_ms() - a->started_ms,
	};
	snprintf(s->software, sizeof(s->software), "%s", SOFTWARE);
	memcpy(s->peer_software, a->peer_software, sizeof(s->peer_software));
}

static int set_paths(struct agent *a, const struct values *v, struct hy_err *e)
{
	const char *dir = v->run_dir ? v->run_dir : getenv("HYLICS_RUN_DIR");

	if (!dir)
		dir = RUN_DIR;
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return hy_err_set(e, errno, "run directory '%s': make it", dir);
	if ((size_t)snprintf(a->sock_path, sizeof(a->sock_path), "%s/agent.sock", dir) >=
	    sizeof(a->sock_path))
		return hy_err_set(e, ENAMETOOLONG, "run directory '%s'", dir);
	a->local.path = a->sock_path;
	return 0;
}

static int agent_start(struct agent *a, const struct values *v, struct hy_err *e)
{
	struct chan_config cfg = { .role = ROLE_GUEST, .software = SOFTWARE,
				   .keepalive_ms = v->keepalive_ms, .dead_ms = v->dead_ms };
	int rc = chan_addr_parse(v->channel, ROLE_GUEST, &cfg.addr, e);

	if (rc == 0)
		rc = set_paths(a, v, e);
	if (rc == 0)
		rc = local_open(&a->local, e);
	if (rc < 0)
		return rc;
	rc = hy_sandbox_sealed(syscalls, e);
	if (rc == 0)
		rc = chan_open(&a->chan, &cfg, &agent_ops, a, &a->daemon.loop, &a->daemon.log, e);
	if (rc < 0)
		local_close(&a->local);
	return rc;
}

static int run(const void *values, int argc, char **argv, struct hy_err *e)
{
	static struct agent a;		/* large, and there is one per process */
	const struct values *v = values;
	struct hy_log log = { .program = "hylics-agent",
			      .level = (enum hy_log_level)v->log_level };
	int rc;

	(void)argc;
	(void)argv;
	a.started_ms = hy_clock_ms();
	if (hy_daemon_open(&a.daemon, &log, 1024, e) < 0)
		return hy_err_exit(e);
	a.local.loop = &a.daemon.loop;
	a.local.log = &a.daemon.log;
	a.local.status = agent_status;
	a.local.object = &a;
	if (agent_start(&a, v, e) < 0) {
		ev_close(&a.daemon.loop);
		return hy_err_exit(e);
	}
	rc = ev_run(&a.daemon.loop, e);
	chan_close(&a.chan);
	local_close(&a.local);
	ev_close(&a.daemon.loop);
	return rc < 0 ? hy_err_exit(e) : rc;
}

static const struct hy_cmd command = {
	.name = "hylics-agent",
	.args = "",
	.summary = "the guest's end of Hylics: answers the host, serves programs of the guest",
	.options = options,
	.values_size = sizeof(struct values),
	.defaults = &defaults,
	.run = run,
};

int main(int argc, char **argv)
{
	return hy_opt_main(&command, argc, argv);
}
