/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - hylics-worker: the host's end of one VM's channel
 *
 * Runs in: hylics-worker (host, in the VM's twin; CAP_NET_ADMIN there, if it is to move anything)
 * Reads from: the guest over the channel (hostile)
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "channel/chan.h"
#include "channel/door.h"
#include "common/clock.h"
#include "common/daemon.h"
#include "common/opt.h"
#include "common/own.h"
#include "common/sandbox.h"
#include "common/show.h"
#include "hylics-worker/measure.h"
#include "hylics-worker/moves.h"
#include "hylics-worker/room.h"
#include "version.h"

#define SOFTWARE "hylics-worker " HY_VERSION
/* Sockets, files, and a few for the channel and the loop. */
#define FILES_MAX (HY_CONNS_MAX + HY_FILES_MAX + 256)

struct values {
	const char *channel;
	const char *vm;
	const char *share, *stats;
	uint64_t home_after;
	int64_t link, room;
	uint64_t alone_ms;
	int64_t pings, ping_bytes;
	uint64_t soak_bytes;
	uint64_t keepalive_ms, dead_ms, timeout_ms;
	int log_level;
	bool json;
};

static const struct values defaults = {
	.vm = "vm",
	.link = -1,
	.room = -1,
	.ping_bytes = 64,
	.log_level = HY_LOG_INFO,
};

#define OPTION(field) offsetof(struct values, field)

static const struct hy_opt options[] = {
	{ .name = "channel", .type = HY_OPT_STRING, .offset = OPTION(channel), .arg = "ADDRESS",
	  .help = "serial:PATH, unix:PATH or vsock:CID[:PORT]", .required = true },
	{ .name = "vm", .type = HY_OPT_STRING, .offset = OPTION(vm), .arg = "NAME",
	  .help = "name of the VM in the log (default vm)" },
	{ .name = "share", .type = HY_OPT_STRING, .offset = OPTION(share), .arg = "DIR",
	  .help = "the share's directory; without it no file can be sent from here" },
	{ .name = "link", .type = HY_OPT_INT, .offset = OPTION(link), .arg = "FD",
	  .help = "given by hylics-keeper(8), which keeps the connections", .min = 3,
	  .max = HY_EV_FDS_MAX - 1 },
	{ .name = "room", .type = HY_OPT_INT, .offset = OPTION(room), .arg = "UID",
	  .help = "given by hylics-keeper(8): become UID, see nothing but the share", .min = 0,
	  .max = UINT32_MAX - 1 },
	{ .name = "alone", .type = HY_OPT_DURATION, .offset = OPTION(alone_ms), .arg = "TIME",
	  .help = "reset connections that have had no agent for TIME (default 60s)", .min = 1 },
	{ .name = "home-after", .type = HY_OPT_SIZE, .offset = OPTION(home_after), .arg = "SIZE",
	  .help = "for tests: bring a connection home when so much was sent on it here", .min = 1 },
	{ .name = "stats", .type = HY_OPT_STRING, .offset = OPTION(stats), .arg = "FILE",
	  .help = "keep the counters in FILE, as a JSON object" },
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

struct worker {
	struct hy_daemon daemon;
	struct chan chan;
	struct measure measure;
	struct moves moves;
	struct ev_timer timeout;	/* of measuring; of the last words */
	bool measuring, timed_out;
	bool stayed;			/* connections could not go home */
	bool ending;			/* nothing is left to do but to be heard */
	int stats;
};

static void worker_up(void *object, const struct msg_hello *peer)
{
	struct worker *w = object;

	if (w->measuring)
		measure_up(&w->measure);
	else
		moves_up(&w->moves, peer);
}

static void worker_down(void *object, const char *why)
{
	struct worker *w = object;

	(void)why;
	if (w->measuring)
		measure_down(&w->measure);
	else
		moves_down(&w->moves);
}

static int worker_message(void *object, const struct message *m)
{
	struct worker *w = object;

	return w->measuring ? measure_message(&w->measure, m) : moves_message(&w->moves, m);
}

static void worker_room(void *object)
{
	struct worker *w = object;

	if (!w->measuring)
		moves_room(&w->moves);
}

static const struct chan_ops worker_ops = {
	worker_up, worker_down, worker_message, worker_room
};

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

/* -- moving -- */

static void on_heard(void *object)
{
	struct worker *w = object;

	ev_stop(&w->daemon.loop, HY_EXIT_OK);
}

/* A guest that does not know which connection is its own again leaves it asleep, and waits. */
static void on_left(void *object, bool all_home)
{
	struct worker *w = object;

	w->stayed = !all_home;
	if (w->ending || !w->moves.count->homed || chan_finish(&w->chan, on_heard) < 0) {
		on_heard(w);
		return;
	}
	w->ending = true;
	w->timeout = (struct ev_timer){ .fn = on_heard, .object = w };
	if (ev_timer_set(&w->daemon.loop, &w->timeout, HY_WORKER_HEARD_MS) < 0)
		on_heard(w);
}

static void on_stop(void *object)
{
	struct worker *w = object;

	if (w->measuring)
		ev_stop(&w->daemon.loop, HY_EXIT_OK);
	else
		moves_leave(&w->moves);
}

/* Return: O_PATH, -1 if there is no path, else -errno */
static int open_share(const char *path, struct hy_err *e)
{
	int fd = path ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

	return path && fd < 0 ? hy_err_set(e, errno, "open '%s'", path) : fd;
}

static int start_moving(struct worker *w, const struct values *v, struct hy_err *e)
{
	struct moves_config cfg = {
		.chan = &w->chan, .loop = &w->daemon.loop, .log = &w->daemon.log,
		.link = (int)v->link, .stats = -1, .alone_ms = v->alone_ms,
		.home_after = v->home_after, .left = on_left, .object = w,
	};

	if (w->measuring)
		return 0;
	if (v->stats) {
		cfg.stats = w->stats = hy_show_open(v->stats, e);
		if (cfg.stats < 0)
			return cfg.stats;
	}
	present_counts(cfg.sockets);	/* there is no /proc in a room */
	cfg.share = v->room < 0 ? open_share(v->share, e) :
				  worker_enter_room(v->share, (uid_t)v->room, e);
	if (v->share && cfg.share < 0)
		return cfg.share;
	return moves_open(&w->moves, &cfg, e);
}

/* What could not be opened perhaps can be now. */
static int door_handle(void *object, int fd, uint32_t events)
{
	struct worker *w = object;

	(void)events;
	if (chan_door_called(fd) < 0)
		return -EPIPE;
	chan_open_now(&w->chan);
	return 0;
}

static void door_drop(void *object, int fd, int rc)
{
	struct worker *w = object;

	(void)rc;
	ev_del(&w->daemon.loop, fd);
}

static const struct ev_class door_class = { "door to the keeper", door_handle, door_drop };

static int open_channel(struct worker *w, const struct values *v, struct hy_err *e)
{
	struct chan_config cfg = { .role = ROLE_HOST, .software = SOFTWARE,
				   .keepalive_ms = v->keepalive_ms, .dead_ms = v->dead_ms };
	int rc = chan_addr_parse(v->channel, ROLE_HOST, &cfg.addr, e);

	if (rc < 0)
		return rc;
	cfg.addr.door = w->moves.door;
	if (v->room >= 0 && !cfg.addr.door && cfg.addr.kind != CHAN_VSOCK)
		return hy_err_set(e, EINVAL, "channel '%s': there is no such path in a room; give "
				  "--channel to hylics-keeper, before '--'", v->channel);
	rc = chan_open(&w->chan, &cfg, &worker_ops, w, &w->daemon.loop, &w->daemon.log, e);
	if (rc == 0 && cfg.addr.door)
		rc = ev_add(&w->daemon.loop, cfg.addr.door, &door_class, w, EPOLLIN, e);
	return rc;
}

static int seal(const struct worker *w, const struct values *v, struct hy_err *e)
{
	uint64_t keep = v->room < 0 ? WORKER_CAPABILITIES : WORKER_ROOM_CAPABILITIES;
	/* what a listening side opens is open; all a connecting one needs later is connect() */
	int rc = hy_sandbox_bare(w->measuring ? 0 : keep, e);

	return rc < 0 ? rc : hy_sandbox_sealed(hy_syscalls, e);
}

static int serve(struct worker *w, const struct values *v, struct hy_err *e)
{
	int rc = start_measuring(w, v, e);

	if (rc == 0)
		rc = start_moving(w, v, e);
	if (rc == 0)
		rc = open_channel(w, v, e);
	if (rc < 0)
		return rc;
	rc = seal(w, v, e);
	if (rc == 0)
		rc = ev_run(&w->daemon.loop, e);
	chan_close(&w->chan);
	if (w->moves.door)
		ev_del(&w->daemon.loop, w->moves.door);
	if (w->timed_out)
		return hy_err_set(e, ETIMEDOUT, "%u of %u pings were answered", w->measure.n,
				  w->measure.pings);
	if (w->stayed)
		return hy_err_set(e, ETIMEDOUT, "%llu connections could not go home",
				  (unsigned long long)w->moves.count->live);
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
	w.stats = -1;
	w.daemon.on_stop = on_stop;
	w.daemon.object = &w;
	if (hy_daemon_open(&w.daemon, &log, FILES_MAX, (int)v->link, e) < 0)
		return hy_err_exit(e);
	hy_daemon_files(&w.daemon.log, FILES_MAX);
	rc = serve(&w, v, e);
	if (w.moves.loop)
		moves_close(&w.moves);
	hy_fd_close(&w.stats);
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
