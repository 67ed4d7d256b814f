/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - hylics-keeper: makes a VM's twin, runs its worker there, keeps what outlives a worker
 *
 * Runs in: hylics-keeper (host, root)
 * Reads from: the worker on its link (may have been taken over by the guest), see common/keep.h
 *
 * DOC: What a keeper does in its life
 *
 * start	sweep what a killed keeper left, make the twin, start the worker inside it
 * serve	keep what the worker puts, start it again when it dies, give the twin's NICs the
 *		addresses the guest tells, follow the VM's interfaces as they come and go, tell
 *		the worker whether connections may move (common/moving.h), run the modules the
 *		guest wants (modules.h)
 * stop		SIGTERM: tell the worker, which brings every connection home and ends; then end
 *		what modules still run, and remove the twin. A second SIGTERM does not wait for
 *		the worker.
 *
 * It reads nothing from the guest itself but its addresses and the modules it wants, which the
 * worker hands on.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel/door.h"
#include "common/daemon.h"
#include "common/fault.h"
#include "common/keep.h"
#include "common/moving.h"
#include "common/opt.h"
#include "common/own.h"
#include "common/room.h"
#include "common/sandbox.h"
#include "hylics-keeper/modules.h"
#include "hylics-keeper/nic.h"
#include "proto/move.h"
#include "proto/msg.h"
#include "tcpmove/catch.h"
#include "tcpmove/image.h"
#include "twin/nic.h"
#include "twin/twin.h"
#include "version.h"

#define ARGS_MAX 62
#define FILES_MAX (2 * HY_CONNS_MAX + 1024)	/* ours, and those of the worker */

struct values {
	const char *vm, *channel;
	int64_t uid;
	struct hy_opt_list nics;
	const char *moving;
	const char *modules, *modules_dir, *modules_state, *share;
	int log_level;
};

static const struct values defaults = { .vm = "vm", .uid = -1, .log_level = HY_LOG_INFO };

#define OPTION(field) offsetof(struct values, field)

static const struct hy_opt options[] = {
	{ .name = "vm", .type = HY_OPT_STRING, .offset = OPTION(vm), .arg = "NAME",
	  .help = "name of the VM (default vm)" },
	{ .name = "nic", .type = HY_OPT_LIST, .offset = OPTION(nics),
	  .arg = "EDGE,MAC[,ADDRESS...]",
	  .help = "a NIC: its interface here, its MAC; addresses, else the guest tells them" },
	{ .name = "moving", .type = HY_OPT_STRING, .offset = OPTION(moving), .arg = "FILE",
	  .help = "says on, drain or off; read at the start and on SIGURG" },
	{ .name = "modules", .type = HY_OPT_STRING, .offset = OPTION(modules), .arg = "FILE",
	  .help = "names the modules the VM may use; read when the guest wants one, on SIGURG" },
	{ .name = "modules-dir", .type = HY_OPT_STRING, .offset = OPTION(modules_dir),
	  .arg = "DIR", .help = "of what modules are, with --modules" },
	{ .name = "modules-state", .type = HY_OPT_STRING, .offset = OPTION(modules_state),
	  .arg = "FILE", .help = "keep in FILE how they are, as a JSON object" },
	{ .name = "share", .type = HY_OPT_STRING, .offset = OPTION(share), .arg = "DIR",
	  .help = "the VM's share, for modules" },
	{ .name = "channel", .type = HY_OPT_STRING, .offset = OPTION(channel), .arg = "ADDRESS",
	  .help = "of the VM's channel, opened here for the worker, who sees no path" },
	{ .name = "uid", .type = HY_OPT_INT, .offset = OPTION(uid), .arg = "UID",
	  .help = "user and group the worker becomes (default the keeper's)", .min = 0,
	  .max = UINT32_MAX - 1 },
	{ .name = "log-level", .type = HY_OPT_CHOICE, .offset = OPTION(log_level), .arg = "LEVEL",
	  .help = "error, warning, info or debug (default info)", .choices = hy_log_words },
	{ 0 },
};

struct keeper {
	struct hy_daemon daemon;
	struct keep keep;
	struct twin twin;
	bool fixed[HY_TWIN_NICS_MAX];	/* addresses by the operator: the guest's are ignored */
	char **worker;			/* its command line */
	uid_t uid;			/* the worker's */
	const char *channel;		/* NULL: the worker opens it itself */
	struct chan_door door;
	int freezer, ring;		/* from tcp_catch_load(); -1: none */
	const char *moving;		/* file that says whether connections may; NULL: they may */
	struct modules modules;
	int modules_state;		/* file for how they are; -1 */
	struct hy_log_rate rate;
};

/* -- the worker -- */

/* What the worker is told beside what stands in the keeper's command line. */
struct told {
	char link[32], room[32];
	char channel[HY_UNIX_PATH_MAX + 32];
};

static void add_told(const struct keeper *k, int link, struct told *t, char **argv)
{
	snprintf(t->link, sizeof(t->link), "--link=%d", link);
	snprintf(t->room, sizeof(t->room), "--room=%u", (unsigned int)k->uid);
	*argv++ = t->link;
	*argv++ = t->room;
	if (k->channel) {
		snprintf(t->channel, sizeof(t->channel), "--channel=%s", k->channel);
		*argv++ = t->channel;
	}
	*argv = NULL;
}

static int worker_exec(void *object, int link)
{
	struct keeper *k = object;
	char *argv[ARGS_MAX + 4];
	struct hy_err e = { 0 };
	struct told told = { .link = "" };
	int n = 0;

	for (; n < ARGS_MAX && k->worker[n]; n++)
		argv[n] = k->worker[n];
	add_told(k, link, &told, argv + n);
	if (twin_enter(&k->twin, &e) < 0 || hy_room_spaces(&e) < 0 ||
	    fcntl(link, F_SETFD, 0) < 0) {
		hy_err_print("hylics-keeper", &e);
		return HY_EXIT_FAILED;
	}
	execv(argv[0], argv);
	fprintf(stderr, "hylics-keeper: '%s': %s\n", argv[0], strerror(errno));
	return HY_EXIT_FAILED;
}

/*
 * Should the keeper die, no frame for a connection of the twin's may reach the guest before all has
 * come home. The worker has no use for the links but that they live: they stay in a socket's queue.
 */
static int hold_links(void *object)
{
	struct keeper *k = object;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	twin_send_links(&k->twin, ends[0]);
	close(ends[0]);
	return ends[1];
}

/* -- what a worker cannot have by itself -- */

static int door_handle(void *object, int fd, uint32_t events)
{
	struct keeper *k = object;

	(void)fd;
	if (events & ~(uint32_t)EPOLLIN)
		return -EPIPE;
	chan_door_answer(&k->door);
	return 0;
}

static void door_drop(void *object, int fd, int rc)
{
	struct keeper *k = object;

	(void)rc;
	ev_del(&k->daemon.loop, fd);
}

static const struct ev_class door_class = { "door of the worker", door_handle, door_drop };

static int place_handle(void *object, int fd, uint32_t events)
{
	struct keeper *k = object;

	(void)fd;
	(void)events;
	return chan_door_look(&k->door);
}

static void place_drop(void *object, int fd, int rc)
{
	struct keeper *k = object;

	(void)rc;
	ev_del(&k->daemon.loop, fd);
	chan_door_blind(&k->door);
}

static const struct ev_class place_class = { "place of the channel's socket", place_handle,
					     place_drop };

/* Every worker gets a new one: nothing is left in it of what the last one wanted. */
static int open_door(struct keeper *k)
{
	struct hy_err e = { 0 };
	int rc;

	if (!k->channel)
		return -1;
	if (k->door.outside >= 0)
		ev_del(&k->daemon.loop, k->door.outside);
	rc = chan_door_pair(&k->door, &e);
	if (rc == 0)
		rc = ev_add(&k->daemon.loop, k->door.outside, &door_class, k, EPOLLIN, &e);
	if (rc < 0)
		hy_log_err(&k->daemon.log, HY_LOG_ERR, &e);
	return rc < 0 ? -1 : k->door.inside;
}

/*
 * A worker may not load a program, and freezes every connection that comes or goes. It alone knows
 * which connections are in the twin.
 */
static int tool(void *object, unsigned int number)
{
	struct keeper *k = object;

	switch (number) {
	case 0:
		return k->freezer;
	case 1:
		return k->twin.present;
	case 2:
		return open_door(k);
	case 3:
		return k->twin.late;
	default:
		return k->ring;
	}
}

/* An interface that came again has other links than those the worker was given. */
static void on_spliced(void *object)
{
	struct keeper *k = object;

	keep_hold_again(&k->keep);
	modules_hold_again(&k->modules);
}

static void take_addresses(struct keeper *k, const uint8_t *payload, size_t len)
{
	struct move_address told[HY_TWIN_ADDRS_MAX];
	struct twin_addr a[HY_TWIN_ADDRS_MAX];
	struct hy_err e = { 0 };
	unsigned int n;

	if (move_addresses_decode(payload, len, told, &n) < 0) {
		hy_log_limited(&k->daemon.log, &k->rate, HY_LOG_WARN,
			       "the worker sent what is no list of addresses");
		return;
	}
	for (unsigned int i = 0; i < k->twin.n_nics; i++) {
		unsigned int picked = nic_pick(k->twin.nic[i].spec.mac, told, n, a);

		if (!k->fixed[i] && twin_set_addresses(&k->twin, i, a, picked, &e) < 0)
			hy_log_limited(&k->daemon.log, &k->rate, HY_LOG_WARN,
				       "the guest's addresses: %s", e.text);
	}
}

static void on_other(void *object, uint32_t what, const uint8_t *payload, size_t len)
{
	struct keeper *k = object;

	if (what == MSG_ADDRESSES)
		take_addresses(k, payload, len);
	else if (what == MSG_MODULES_WANTED)
		modules_take(&k->modules, payload, len);
}

static void worker_finished(void *object)
{
	struct keeper *k = object;

	ev_stop(&k->daemon.loop, HY_EXIT_OK);
}

static const struct keep_ops keep_ops = {
	.child = worker_exec,
	.hold = hold_links,
	.tool = tool,
	.on_other = on_other,
	.on_finished = worker_finished,
};

/* What cannot be read changes nothing. */
static void look_at_moving(struct keeper *k)
{
	struct hy_err e = { 0 };
	enum hy_moving m;

	if (!k->moving)
		return;
	if (hy_moving_read(AT_FDCWD, k->moving, &m, &e) == 0)
		keep_tell(&k->keep, m);
	else if (e.num != ENOENT)
		hy_log_err(&k->daemon.log, HY_LOG_WARN, &e);
}

static void on_look(void *object)
{
	struct keeper *k = object;

	look_at_moving(k);
	modules_again(&k->modules);
}

static void on_stop(void *object)
{
	struct keeper *k = object;

	if (k->keep.stopping)
		ev_stop(&k->daemon.loop, HY_EXIT_OK);
	else
		keep_stop(&k->keep);
}

/* -- the keeper -- */

static int add_nics(struct keeper *k, const struct hy_opt_list *nics, struct hy_err *e)
{
	struct twin_nic_spec spec;
	int rc = 0;

	for (unsigned int i = 0; rc == 0 && i < nics->n; i++) {
		rc = twin_nic_parse(nics->item[i], &spec, e);
		if (rc == 0)
			rc = twin_add_nic(&k->twin, &spec, e);
		if (rc == 0)
			k->fixed[i] = spec.n_addrs > 0;
	}
	return rc;
}

/*
 * A fault step ends or stops its process by a signal, which the first process of a pid namespace
 * does not take from itself; and a sanitizer looks for that process in the host's /proc.
 */
static unsigned long worker_spaces(void)
{
	return HY_SANITIZED || hy_fault_ordered() ? 0 : CLONE_NEWPID;
}

static int start_worker(struct keeper *k, struct hy_err *e)
{
	const struct keep_config cfg = { .n_slots = HY_CONNS_MAX, .spaces = worker_spaces(),
					 .table_bytes = HY_WORKER_TABLE_BYTES, .ops = &keep_ops,
					 .object = k, .loop = &k->daemon.loop,
					 .log = &k->daemon.log };
	int rc = k->channel ? chan_door_open(&k->door, k->channel, e) : 0;

	if (rc == 0 && k->door.watch >= 0)
		rc = ev_add(&k->daemon.loop, k->door.watch, &place_class, k, EPOLLIN, e);
	return rc < 0 ? rc : keep_open(&k->keep, &cfg, e);
}

static int tell_module(void *object, const void *payload, size_t len)
{
	struct keeper *k = object;

	return keep_say(&k->keep, MSG_MODULE, payload, len);
}

static int open_modules(struct keeper *k, const struct values *v, struct hy_err *e)
{
	const int file = hy_show_open(v->modules_state, e);
	const struct modules_config cfg = {
		.list = v->modules, .folder = v->modules_dir, .vm = v->vm, .share = v->share,
		.uid = k->uid, .twin = &k->twin, .loop = &k->daemon.loop, .log = &k->daemon.log,
		.file = file, .tell = tell_module, .object = k,
	};

	if (v->modules_state && file < 0)
		return file;
	k->modules_state = file;
	return modules_open(&k->modules, &cfg, e);
}

/* Without a ring where the kernel has none; what may load nothing translates a filter each time. */
static void load_freezer(struct keeper *k)
{
	struct hy_err e = { 0 };

	k->freezer = tcp_catch_load(&k->ring, &e);
	if (k->freezer >= 0)
		return;
	hy_log_err(&k->daemon.log, HY_LOG_DEBUG, &e);
	k->freezer = tcp_freeze_load();
}

static int serve(struct keeper *k, const struct values *v, struct hy_err *e)
{
	int rc = twin_sweep(e);

	if (rc == 0)
		rc = twin_open(&k->twin, v->vm, &k->daemon.loop, &k->daemon.log, e);
	if (rc < 0)
		return rc;
	load_freezer(k);
	k->twin.spliced = on_spliced;
	k->twin.object = k;
	rc = open_modules(k, v, e);
	if (rc == 0)
		rc = add_nics(k, &v->nics, e);
	if (rc == 0)
		rc = start_worker(k, e);
	if (rc == 0) {
		look_at_moving(k);
		rc = ev_run(&k->daemon.loop, e);
		keep_close(&k->keep);
	}
	modules_close(&k->modules);
	hy_fd_close(&k->modules_state);
	chan_door_close(&k->door);
	hy_fd_close(&k->freezer);
	hy_fd_close(&k->ring);
	twin_close(&k->twin);
	return rc;
}

static int run(const void *values, int argc, char **argv, struct hy_err *e)
{
	static struct keeper k;		/* large, and there is one per process */
	const struct values *v = values;
	struct hy_log log = { .program = "hylics-keeper", .object = v->vm,
			      .level = (enum hy_log_level)v->log_level };
	int rc;

	if (v->modules && !v->modules_dir) {
		hy_err_usage(e, "--modules-dir", "--modules: say where they are by --modules-dir");
		return HY_EXIT_USAGE;
	}
	if (argc > ARGS_MAX) {
		hy_err_usage(e, NULL, "a worker with more than %d arguments", ARGS_MAX);
		return HY_EXIT_USAGE;
	}
	k.worker = argv;
	k.moving = v->moving;
	k.channel = v->channel;
	k.freezer = k.ring = k.modules_state = -1;
	k.uid = v->uid < 0 ? geteuid() : (uid_t)v->uid;
	k.door = (struct chan_door){ .listener = -1, .inside = -1, .outside = -1, .watch = -1 };
	k.daemon.on_stop = on_stop;
	k.daemon.on_look = on_look;
	k.daemon.object = &k;
	if (hy_daemon_open(&k.daemon, &log, HY_EV_FDS_MAX, -1, e) < 0)
		return hy_err_exit(e);
	hy_daemon_files(&k.daemon.log, FILES_MAX);
	rc = serve(&k, v, e);
	ev_close(&k.daemon.loop);
	return rc < 0 ? hy_err_exit(e) : rc;
}

static const struct hy_cmd command = {
	.name = "hylics-keeper",
	.args = "[--] WORKER [ARGUMENT...]",
	.summary = "makes a VM's twin, runs the VM's worker in it, and keeps its connections",
	.options = options,
	.values_size = sizeof(struct values),
	.defaults = &defaults,
	.min_args = 1,
	.max_args = -1,
	.run = run,
};

int main(int argc, char **argv)
{
	return hy_opt_main(&command, argc, argv);
}
