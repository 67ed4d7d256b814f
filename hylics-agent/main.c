/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - hylics-agent: the guest's end of the channel; here its holder, which starts the agent
 *
 * Runs in: hylics-agent (guest, root)
 * Reads from: the agent on its link, see common/keep.h; what mount.h reads
 *
 * DOC: Two processes
 *
 * The holder is the process that was started. It keeps a duplicate of every connection's two
 * descriptors and the table, reads nothing from anybody but the agent, and starts the next agent
 * should one die. The agent, its child, does everything else. SIGTERM to the holder is passed on:
 * the agent brings its connections home and ends, then so does the holder.
 *
 * It also has the share mounted (mount.h), for which it keeps what the agent gives up.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/daemon.h"
#include "common/keep.h"
#include "common/notify.h"
#include "common/opt.h"
#include "common/own.h"
#include "common/unixsock.h"
#include "hylics-agent/agent.h"
#include "hylics-agent/child.h"
#include "hylics-agent/mount.h"
#include "hylics-agent/trial.h"

#define RUN_DIR "/run/hylics"
#define THRESHOLD_GIVEN_MAX (1u << 30)
#define BUSY_LOOKS 20
#define BUSY_LOOK_MS 25

struct values {
	const char *channel;
	const char *run_dir;
	const char *share;
	const char *tag;
	const char *stats;
	const char *threshold;
	uint64_t keepalive_ms, dead_ms, alone_ms;
	int log_level;
	bool no_offload, no_mount;
};

static const struct values defaults = {
	.channel = "serial",
	.share = "/hylics",
	.tag = "hylics",
	.threshold = "auto",
	.log_level = HY_LOG_INFO,
};

#define OPTION(field) offsetof(struct values, field)

static const struct hy_opt options[] = {
	{ .name = "channel", .type = HY_OPT_STRING, .offset = OPTION(channel), .arg = "ADDRESS",
	  .help = "serial, serial:DEVICE, unix:PATH or vsock[:CID[:PORT]] (default serial)" },
	{ .name = "run-dir", .type = HY_OPT_STRING, .offset = OPTION(run_dir), .arg = "DIR",
	  .help = "where agent.sock goes (default $HYLICS_RUN_DIR, else " RUN_DIR ")" },
	{ .name = "share", .type = HY_OPT_STRING, .offset = OPTION(share), .arg = "DIR",
	  .help = "where the share is, or is to be mounted (default /hylics)" },
	{ .name = "tag", .type = HY_OPT_STRING, .offset = OPTION(tag), .arg = "TAG",
	  .help = "mount the virtiofs or 9p device of this tag there (default hylics)" },
	{ .name = "no-mount", .type = HY_OPT_FLAG, .offset = OPTION(no_mount),
	  .help = "mount nothing: use what is there" },
	{ .name = "threshold", .type = HY_OPT_STRING, .offset = OPTION(threshold), .arg = "SIZE",
	  .help = "move a connection for files of which SIZE or more is left (default auto: "
		  "measured)" },
	{ .name = "stats", .type = HY_OPT_STRING, .offset = OPTION(stats), .arg = "FILE",
	  .help = "keep the counters in FILE, as a JSON object" },
	{ .name = "no-offload", .type = HY_OPT_FLAG, .offset = OPTION(no_offload),
	  .help = "move no connection" },
	{ .name = "keepalive", .type = HY_OPT_DURATION, .offset = OPTION(keepalive_ms),
	  .arg = "TIME", .help = "ask a silent host whether it lives after TIME (default 5s)",
	  .min = 1 },
	{ .name = "dead", .type = HY_OPT_DURATION, .offset = OPTION(dead_ms), .arg = "TIME",
	  .help = "give a silent host up after TIME (default 15s)", .min = 1 },
	{ .name = "alone", .type = HY_OPT_DURATION, .offset = OPTION(alone_ms), .arg = "TIME",
	  .help = "reset moved connections that have had no host for TIME (default 60s)",
	  .min = 1 },
	{ .name = "log-level", .type = HY_OPT_CHOICE, .offset = OPTION(log_level), .arg = "LEVEL",
	  .help = "error, warning, info or debug (default info)", .choices = hy_log_words },
	{ 0 },
};

struct holder {
	struct hy_daemon daemon;
	struct keep keep;
	struct mounter mounter;
	struct child_config cfg;
	char sock_path[256];
};

static int start_agent(void *object, int link)
{
	struct holder *h = object;

	return child_main(&h->cfg, link);
}

static void agent_finished(void *object)
{
	struct holder *h = object;

	ev_stop(&h->daemon.loop, HY_EXIT_OK);
}

static const struct keep_ops keep_ops = { .child = start_agent, .on_finished = agent_finished };

static void on_stop(void *object)
{
	struct holder *h = object;

	if (h->keep.stopping)
		ev_stop(&h->daemon.loop, HY_EXIT_OK);
	else
		keep_stop(&h->keep);
}

static int set_paths(struct holder *h, const struct values *v, struct hy_err *e)
{
	const char *dir = v->run_dir ? v->run_dir : getenv("HYLICS_RUN_DIR");

	if (!dir)
		dir = RUN_DIR;
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return hy_err_set(e, errno, "run directory '%s': make it", dir);
	if ((size_t)snprintf(h->sock_path, sizeof(h->sock_path), "%s/agent.sock", dir) >=
	    sizeof(h->sock_path))
		return hy_err_set(e, ENAMETOOLONG, "run directory '%s'", dir);
	h->cfg.sock_path = h->sock_path;
	return 0;
}

/*
 * A second agent must not start at all: its child would fail again and again. But the child of a
 * holder that was killed lives for a moment longer than he.
 */
static int is_free(const char *path, struct hy_err *e)
{
	hy_autofd fd = -1;

	for (unsigned int i = 0; i < BUSY_LOOKS; i++) {
		fd = hy_unix_listen(path, SOCK_SEQPACKET, 0600, 1, e);
		if (fd != -EADDRINUSE)
			break;
		poll(NULL, 0, BUSY_LOOK_MS);
	}
	if (fd < 0)
		return hy_err_add(e, "agent");
	unlink(path);
	return 0;
}

static int set_threshold(struct holder *h, const struct values *v, struct hy_err *e)
{
	if (strcmp(v->threshold, "auto") == 0)
		return 0;
	if (hy_opt_size(v->threshold, &h->cfg.threshold) < 0 || h->cfg.threshold == 0 ||
	    h->cfg.threshold > THRESHOLD_GIVEN_MAX)
		return hy_err_usage(e, "--threshold", "--threshold: '%s' is neither auto nor a size"
				    " from 1 to 1G", v->threshold);
	return 0;
}

static int set_share(struct holder *h, const struct values *v, struct hy_err *e)
{
	if (strlen(v->share) > HY_SHARE_PATH_MAX)
		return hy_err_usage(e, "--share", "--share: longer than %d bytes",
				    HY_SHARE_PATH_MAX);
	h->cfg.share = v->share;
	h->mounter.dir = v->share;
	h->mounter.tag = v->tag;
	return 0;
}

static int configure(struct holder *h, const struct values *v, struct hy_err *e)
{
	int rc = chan_addr_parse(v->channel, ROLE_GUEST, &h->cfg.addr, e);

	h->cfg.stats = v->stats;
	h->cfg.keepalive_ms = v->keepalive_ms;
	h->cfg.dead_ms = v->dead_ms;
	h->cfg.alone_ms = v->alone_ms;
	h->cfg.offload = !v->no_offload;
	h->cfg.log_level = v->log_level;
	h->cfg.holder = getpid();
	if (rc == 0)
		rc = set_threshold(h, v, e);
	if (rc == 0)
		rc = set_share(h, v, e);
	if (rc == 0)
		rc = set_paths(h, v, e);
	if (rc == 0)
		rc = is_free(h->sock_path, e);
	return rc;
}

/* By the holder, once: an agent that succeeds another is not to lose time with it. */
static void try_costs(struct holder *h)
{
	struct trial t;
	struct hy_err e = { 0 };

	if (h->cfg.threshold || !h->cfg.offload)
		return;
	if (trial_run(&t, &e) < 0)
		hy_log(&h->daemon.log, HY_LOG_DEBUG, "what a move costs was not tried: %s", e.text);
	(void)gauge_add(&h->cfg.costs.move, t.move_ns, t.moves, 1);
	(void)gauge_add(&h->cfg.costs.plain, t.plain_ns, t.bytes, 1);
}

static int keep_agent(struct holder *h, struct hy_err *e)
{
	const struct keep_config cfg = { .n_slots = HY_CONNS_MAX, .table_bytes = TABLE_BYTES,
					 .ops = &keep_ops, .object = h, .loop = &h->daemon.loop,
					 .log = &h->daemon.log };

	return keep_open(&h->keep, &cfg, e);
}

/* Services that are ordered behind this one find the share, if it can be had. */
static void tell_ready(void *object)
{
	struct holder *h = object;
	struct hy_err e;

	if (hy_notify(HY_NOTIFY_READY, &e) < 0)
		hy_log_err(&h->daemon.log, HY_LOG_INFO, &e);
}

static void look_after_share(struct holder *h, bool no_mount)
{
	h->mounter.loop = &h->daemon.loop;
	h->mounter.log = &h->daemon.log;
	h->mounter.settled = tell_ready;
	h->mounter.object = h;
	if (no_mount)
		tell_ready(h);
	else
		mount_open(&h->mounter);
}

static int run(const void *values, int argc, char **argv, struct hy_err *e)
{
	static struct holder h;		/* one per process, and the child's too */
	const struct values *v = values;
	struct hy_log log = { .program = AGENT_NAME, .level = (enum hy_log_level)v->log_level };
	int rc;

	(void)argc;
	(void)argv;
	h.daemon.on_stop = on_stop;
	h.daemon.object = &h;
	if (hy_daemon_open(&h.daemon, &log, HY_EV_FDS_MAX, -1, e) < 0)
		return hy_err_exit(e);
	hy_daemon_files(&h.daemon.log, HY_EV_FDS_MAX);
	rc = configure(&h, v, e);
	if (rc == 0) {
		try_costs(&h);
		rc = keep_agent(&h, e);
	}
	if (rc == 0) {
		look_after_share(&h, v->no_mount);
		rc = ev_run(&h.daemon.loop, e);
		if (!v->no_mount)
			mount_close(&h.mounter);
		keep_close(&h.keep);
	}
	ev_close(&h.daemon.loop);
	return rc < 0 ? hy_err_exit(e) : rc;
}

static const struct hy_cmd command = {
	.name = AGENT_NAME,
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
