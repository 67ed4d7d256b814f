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
 *		the worker whether connections may move (common/moving.h)
 * stop		SIGTERM: tell the worker, which brings every connection home and ends; then remove
 *		the twin. A second SIGTERM does not wait for the worker.
 *
 * It reads nothing from the guest itself but the list of addresses, which the worker hands on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/daemon.h"
#include "common/keep.h"
#include "common/moving.h"
#include "common/opt.h"
#include "common/own.h"
#include "hylics-keeper/nic.h"
#include "proto/move.h"
#include "tcpmove/image.h"
#include "twin/nic.h"
#include "twin/twin.h"
#include "version.h"

#define ARGS_MAX 62
#define FILES_MAX (2 * HY_CONNS_MAX + 1024)	/* ours, and those of the worker */

struct values {
	const char *vm;
	struct hy_opt_list nics;
	const char *moving;
	int log_level;
};

static const struct values defaults = { .vm = "vm", .log_level = HY_LOG_INFO };

#define OPTION(field) offsetof(struct values, field)

static const struct hy_opt options[] = {
	{ .name = "vm", .type = HY_OPT_STRING, .offset = OPTION(vm), .arg = "NAME",
	  .help = "name of the VM (default vm)" },
	{ .name = "nic", .type = HY_OPT_LIST, .offset = OPTION(nics),
	  .arg = "EDGE,MAC[,ADDRESS...]",
	  .help = "a NIC: its interface here, its MAC; addresses, else the guest tells them" },
	{ .name = "moving", .type = HY_OPT_STRING, .offset = OPTION(moving), .arg = "FILE",
	  .help = "says on, drain or off; read at the start and on SIGURG" },
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
	int freezer;			/* from tcp_freeze_load() */
	const char *moving;		/* file that says whether connections may; NULL: they may */
	struct hy_log_rate rate;
};

/* -- the worker -- */

static int worker_exec(void *object, int link)
{
	struct keeper *k = object;
	char *argv[ARGS_MAX + 2];
	char option[32];
	struct hy_err e = { 0 };
	int n = 0;

	for (; n < ARGS_MAX && k->worker[n]; n++)
		argv[n] = k->worker[n];
	snprintf(option, sizeof(option), "--link=%d", link);
	argv[n++] = option;
	argv[n] = NULL;
	if (twin_enter(&k->twin, &e) < 0 || fcntl(link, F_SETFD, 0) < 0) {
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
	int ends[2], rc = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	for (unsigned int i = 0; i < k->twin.n_nics && rc == 0; i++)
		rc = splice_send_links(&k->twin.nic[i].splice, ends[0]);
	close(ends[0]);
	if (rc < 0)
		hy_log(&k->daemon.log, HY_LOG_WARN, "links for the worker to hold: %s",
		       strerrordesc_np(-rc));
	return ends[1];
}

/*
 * A worker may not load a program, and freezes every connection that comes or goes. It alone knows
 * which connections are in the twin. Without the first there is no second, they go by their order.
 */
static void tools(void *object, struct hy_fds *fds)
{
	const struct keeper *k = object;

	if (k->freezer < 0)
		return;
	*fds = (struct hy_fds){ .n = 2, .fd = { k->freezer, k->twin.present } };
}

/* An interface that came again has other links than those the worker was given. */
static void on_spliced(void *object)
{
	struct keeper *k = object;

	keep_hold_again(&k->keep);
}

static void take_addresses(void *object, const uint8_t *payload, size_t len)
{
	struct move_address told[HY_TWIN_ADDRS_MAX];
	struct twin_addr a[HY_TWIN_ADDRS_MAX];
	struct keeper *k = object;
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

static void worker_finished(void *object)
{
	struct keeper *k = object;

	ev_stop(&k->daemon.loop, HY_EXIT_OK);
}

static const struct keep_ops keep_ops = {
	.child = worker_exec,
	.hold = hold_links,
	.tools = tools,
	.on_other = take_addresses,
	.on_finished = worker_finished,
};

/* What cannot be read changes nothing. */
static void on_look(void *object)
{
	struct keeper *k = object;
	struct hy_err e = { 0 };
	enum hy_moving m;

	if (!k->moving)
		return;
	if (hy_moving_read(AT_FDCWD, k->moving, &m, &e) == 0)
		keep_tell(&k->keep, m);
	else if (e.num != ENOENT)
		hy_log_err(&k->daemon.log, HY_LOG_WARN, &e);
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

static int start_worker(struct keeper *k, struct hy_err *e)
{
	const struct keep_config cfg = { .n_slots = HY_CONNS_MAX,
					 .table_bytes = HY_WORKER_TABLE_BYTES, .ops = &keep_ops,
					 .object = k, .loop = &k->daemon.loop,
					 .log = &k->daemon.log };

	return keep_open(&k->keep, &cfg, e);
}

static int serve(struct keeper *k, const struct values *v, struct hy_err *e)
{
	int rc = twin_sweep(e);

	if (rc == 0)
		rc = twin_open(&k->twin, v->vm, &k->daemon.loop, &k->daemon.log, e);
	if (rc < 0)
		return rc;
	k->freezer = tcp_freeze_load();
	k->twin.spliced = on_spliced;
	k->twin.object = k;
	rc = add_nics(k, &v->nics, e);
	if (rc == 0)
		rc = start_worker(k, e);
	if (rc == 0) {
		on_look(k);
		rc = ev_run(&k->daemon.loop, e);
		keep_close(&k->keep);
	}
	hy_fd_close(&k->freezer);
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

	if (argc > ARGS_MAX) {
		hy_err_usage(e, NULL, "a worker with more than %d arguments", ARGS_MAX);
		return HY_EXIT_USAGE;
	}
	k.worker = argv;
	k.moving = v->moving;
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
