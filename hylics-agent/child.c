/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * child.c - the agent itself: the process that serves host and programs
 *
 * Runs in: hylics-agent (guest, root)
 * Reads from: the host over the channel (checked); programs of the guest (hostile), see local.c
 */
#include "hylics-agent/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/daemon.h"
#include "common/own.h"
#include "common/sandbox.h"
#include "common/show.h"
#include "hylics-agent/agent.h"
#include "hylics-agent/late.h"
#include "hylics-agent/local.h"
#include "version.h"

#define SOFTWARE AGENT_NAME " " HY_VERSION

struct child {
	struct hy_daemon daemon;
	struct chan chan;
	struct agent_local local;
	struct agent agent;
	struct tcp_catch late;
	int freezer, raw[2];
	uint64_t started_ms;
	int stats;
	char peer_software[HY_VERSION_TEXT_MAX];
};

/* -- the channel -- */

static void on_up(void *object, const struct msg_hello *peer)
{
	struct child *c = object;

	memcpy(c->peer_software, peer->software, sizeof(c->peer_software));
	agent_up(&c->agent);
}

static void on_down(void *object, const char *why)
{
	struct child *c = object;

	(void)why;
	c->peer_software[0] = '\0';
	agent_down(&c->agent);
}

static int on_message(void *object, const struct message *m)
{
	struct child *c = object;

	return agent_message(&c->agent, m);
}

static void on_room(void *object)
{
	struct child *c = object;

	agent_room(&c->agent);
}

static const struct chan_ops chan_ops = { on_up, on_down, on_message, on_room };

static void on_status(void *object, struct local_status *s)
{
	const struct child *c = object;

	*s = (struct local_status){
		.channel_state = (uint8_t)c->chan.state,
		.transport = (uint8_t)c->chan.cfg.addr.kind,
		.share_kind = c->agent.share.kind,
		.offload = (uint16_t)join_refusal(&c->agent),
		.epoch = c->chan.epoch,
		.peer_epoch = c->chan.peer_epoch,
		.sessions = c->chan.count.sessions,
		.resyncs = c->chan.count.resyncs,
		.faults = c->chan.count.faults,
		.silences = c->chan.count.silences,
		.uptime_ms = hy_clock_ms() - c->started_ms,
	};
	cost_status(&c->agent, &s->costs);
	snprintf(s->software, sizeof(s->software), "%s", SOFTWARE);
	memcpy(s->peer_software, c->peer_software, sizeof(s->peer_software));
	snprintf(s->share, sizeof(s->share), "%s", c->agent.share.path);
}

/* -- stopping -- */

static void on_left(void *object)
{
	struct child *c = object;

	ev_stop(&c->daemon.loop, HY_EXIT_OK);
}

static void on_stop(void *object)
{
	struct child *c = object;

	if (c->agent.leaving)
		on_left(c);
	else
		agent_leave(&c->agent);
}

/* -- starting -- */

/* Older kernels have no such rings: what arrives at a frozen connection is only dropped there. */
static void use_freezer(struct child *c)
{
	hy_autofd ring = -1;
	struct hy_err e = { 0 };

	c->freezer = tcp_catch_load(&ring, &e);
	if (c->freezer < 0 || tcp_catch_open(&c->late, ring, &e) < 0)
		hy_log_err(&c->daemon.log, HY_LOG_DEBUG, &e);
	if (c->freezer < 0)
		c->freezer = tcp_freeze_load();
	tcp_freeze_use(c->freezer);
}

static int open_agent(struct child *c, const struct child_config *cfg, int link, struct hy_err *e)
{
	struct agent_config ac = {
		.chan = &c->chan, .loop = &c->daemon.loop, .log = &c->daemon.log,
		.share = cfg->share, .link = link, .late = &c->late,
		.raw = { c->raw[0], c->raw[1] },
		.threshold = cfg->threshold,
		.costs = cfg->costs, .offload = cfg->offload, .alone_ms = cfg->alone_ms,
		.dead_ms = cfg->dead_ms, .left = on_left, .object = c,
	};

	ac.stats = c->stats = hy_show_open(cfg->stats, e);
	if (cfg->stats && ac.stats < 0)
		return ac.stats;
	return agent_open(&c->agent, &ac, e);
}

static int open_local(struct child *c, const struct child_config *cfg, struct hy_err *e)
{
	c->local.path = cfg->sock_path;
	c->local.loop = &c->daemon.loop;
	c->local.log = &c->daemon.log;
	c->local.status = on_status;
	c->local.object = c;
	c->local.agent = &c->agent;
	return local_open(&c->local, e);
}

static int serve(struct child *c, const struct child_config *cfg, int link, struct hy_err *e)
{
	struct chan_config cc = { .role = ROLE_GUEST, .software = SOFTWARE, .addr = cfg->addr,
				  .keepalive_ms = cfg->keepalive_ms, .dead_ms = cfg->dead_ms };
	int rc = open_agent(c, cfg, link, e);

	if (rc < 0)
		return rc;
	rc = open_local(c, cfg, e);
	if (rc == 0)
		rc = hy_sandbox_sealed(hy_syscalls, e);
	if (rc == 0)
		rc = chan_open(&c->chan, &cc, &chan_ops, c, &c->daemon.loop, &c->daemon.log, e);
	if (rc == 0) {
		rc = ev_run(&c->daemon.loop, e);
		chan_close(&c->chan);
	}
	local_close(&c->local);
	agent_close(&c->agent);
	return rc;
}

int child_main(const struct child_config *cfg, int link)
{
	static struct child c;		/* large, and there is one per process */
	const struct hy_log log = { .program = AGENT_NAME,
				    .level = (enum hy_log_level)cfg->log_level };
	struct hy_err e = { 0 };
	int rc;

	/* without its holder it could keep nothing; it may be gone before the kernel was told */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != cfg->holder)
		return HY_EXIT_FAILED;
	c.stats = -1;
	c.started_ms = hy_clock_ms();
	c.daemon.on_stop = on_stop;
	c.daemon.object = &c;
	rc = hy_daemon_open(&c.daemon, &log, HY_EV_FDS_MAX, link, &e);
	if (rc == 0) {
		use_freezer(&c);
		late_sockets(c.raw);
		rc = serve(&c, cfg, link, &e);
		tcp_catch_close(&c.late);
		hy_fd_close(&c.freezer);
		hy_fd_close(&c.raw[0]);
		hy_fd_close(&c.raw[1]);
		hy_fd_close(&c.stats);
		ev_close(&c.daemon.loop);
	}
	if (rc < 0)
		hy_err_print(AGENT_NAME, &e);
	return rc < 0 ? hy_err_exit(&e) : rc;
}
