/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm_keeper.c - the last piece of a VM: its keeper, which has the twin, the worker, the connections
 *
 * Runs in: hylicsd
 * Reads from: no untrusted input
 */
#include "hylicsd/vm_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/own.h"
#include "common/whole.h"
#include "hylicsd/keeper.h"

#define WORKER "hylics-worker"		/* as the kernel calls it */
#define PIDS_MAX 64
/* Its worker brings connections home. */
#define KEEPER_STOP_MS (HY_WORKER_LEAVE_MOST_MS + HY_WORKER_HEARD_MS + 5000)
#define ALONE_PAUSE_MS 5

static int words_of(struct vm *vm, struct keeper_words *w, struct hy_err *e)
{
	char channel[VM_PATH_MAX + 32], stats[VM_PATH_MAX + 32], moving[VM_PATH_MAX + 32];
	char modules[VM_PATH_MAX + 32], state[VM_PATH_MAX + 32];
	const struct keeper_places p = { channel, vm->share_path, stats, moving, modules,
					 state };

	snprintf(channel, sizeof(channel), "%s/%s", vm->path, VM_CHANNEL);
	snprintf(stats, sizeof(stats), "%s/%s", vm->path, VM_STATS);
	snprintf(moving, sizeof(moving), "%s/%s", vm->path, VM_MOVING);
	snprintf(modules, sizeof(modules), "%s/%s", vm->path, VM_MODULES);
	snprintf(state, sizeof(state), "%s/%s", vm->path, VM_MODULES_STATE);
	return keeper_words(w, &vm->host->config, &vm->rec, &p, e);
}

/* A worker without capabilities may connect to the channel a QEMU of that group has made. */
static int enter_keeper(void *object, struct hy_err *e)
{
	const struct vm *vm = object;
	gid_t group = vm->host->qemu_group;

	if (group && setgroups(1, &group) < 0)
		return hy_err_set(e, errno, "join QEMU's group");
	return vm_enter_cgroup(object, e);
}

static int start_keeper(struct vm *vm, struct hy_err *e)
{
	static struct keeper_words w;	/* large; one loop */
	struct proc_spec spec = { .dir = vm->dir, .argv = w.argv, .enter = enter_keeper,
				  .object = vm };
	int rc = words_of(vm, &w, e);

	if (rc == 0)
		rc = keeper_save(&w, vm->dir, e);
	return rc < 0 ? rc : proc_start(&vm->keeper, vm->host->loop, &spec, e);
}

/* Whether a worker is there, as it is behind a keeper that was killed. */
static bool has_worker(const struct vm *vm)
{
	char path[32], name[sizeof(WORKER) + 1];
	pid_t pids[PIDS_MAX];
	int n = cgroup_list(&vm->host->cgroups, vm->rec.name, pids, PIDS_MAX, NULL);

	for (int i = 0; i < n; i++) {
		hy_autofd fd = -1;
		ssize_t len;

		snprintf(path, sizeof(path), "/proc/%d/comm", pids[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		len = fd < 0 ? -1 : read(fd, name, sizeof(name));
		if (len == sizeof(WORKER) && memcmp(name, WORKER "\n", sizeof(WORKER)) == 0)
			return true;
	}
	return false;
}

static void start_when_alone(void *object)
{
	struct vm *vm = object;
	struct hy_err e = { 0 };

	vm->patience_ms += ALONE_PAUSE_MS;
	if (has_worker(vm) && vm->patience_ms < KEEPER_STOP_MS)
		vm_piece_wait(vm, start_when_alone, ALONE_PAUSE_MS);
	else
		vm_piece_done(vm, start_keeper(vm, &e), &e);
}

/* A worker brings home what its keeper left; the next keeper would sweep the splice from it. */
static int begin_keeper(struct vm *vm, struct hy_err *e)
{
	if (!has_worker(vm))
		return start_keeper(vm, e);
	vm->patience_ms = 0;
	vm_piece_wait(vm, start_when_alone, ALONE_PAUSE_MS);
	return LIFE_LATER;
}

static void describe_end(struct hy_err *e, int status)
{
	if (status == EV_CHILD_UNKNOWN)
		hy_err_set(e, ESRCH, "keeper: ended");
	else if (WIFSIGNALED(status))
		hy_err_set(e, ESRCH, "keeper: killed by signal %d", WTERMSIG(status));
	else
		hy_err_set(e, ESRCH, "keeper: ended with exit code %d", WEXITSTATUS(status));
}

static void keeper_ended(void *object, struct proc *p, int status)
{
	struct vm *vm = object;
	struct hy_err e = { 0 };
	int rc = 0;

	(void)p;
	if (vm->keeper_stops) {
		vm->keeper_stops = false;
		if (vm->life.state == LIFE_MAKING)
			rc = begin_keeper(vm, &e);
		if (rc != LIFE_LATER)
			vm_piece_done(vm, rc, &e);
		return;
	}
	describe_end(&e, status);
	hy_log(vm->host->log, HY_LOG_WARN, "vm '%s': %s", vm->rec.name, e.text);
	vm_lost(vm, &e);
}

static void kill_keeper(void *object)
{
	const struct vm *vm = object;

	proc_signal(&vm->keeper, SIGKILL);
}

/* It brings the connections home, and ends. */
static int stop_keeper(struct vm *vm)
{
	vm->keeper_stops = true;
	proc_signal(&vm->keeper, SIGTERM);
	vm_piece_wait(vm, kill_keeper, KEEPER_STOP_MS);
	return LIFE_LATER;
}

static int find_keeper(struct vm *vm, struct hy_err *e)
{
	if (proc_runs(&vm->keeper))
		return 1;
	vm->keeper = (struct proc){ .name = "keeper", .ended = keeper_ended, .object = vm };
	return vm->dir < 0 ? 0 : proc_take_over(&vm->keeper, vm->host->loop, vm->dir, e);
}

enum hy_moving vm_moving(const struct vm *vm)
{
	if (!vm->rec.offload)
		return HY_MOVING_OFF;
	return vm->draining ? HY_MOVING_DRAIN : HY_MOVING_ON;
}

static int write_modules(const struct vm *vm, struct hy_err *e)
{
	char text[HY_MODULES_MAX * (HY_NAME_MAX + 1) + 1] = "";
	size_t len = 0;

	for (unsigned int i = 0; i < vm->rec.n_modules; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\n", vm->rec.module[i]);
	return hy_whole_write(vm->dir, VM_MODULES, text, e);
}

int vm_tell_keeper(const struct vm *vm, struct hy_err *e)
{
	int rc;

	if (vm->dir < 0)
		return 0;
	rc = hy_moving_write(vm->dir, VM_MOVING, vm_moving(vm), e);
	if (rc == 0)
		rc = write_modules(vm, e);
	if (rc == 0)
		proc_signal(&vm->keeper, SIGURG);
	return rc;
}

int vm_keeper_make(void *object, struct hy_err *e)
{
	static struct keeper_words w;
	struct vm *vm = object;
	int runs = find_keeper(vm, e), rc = runs < 0 ? runs : vm_tell_keeper(vm, e);

	if (rc < 0)
		return rc;
	if (!runs)
		return begin_keeper(vm, e);
	rc = words_of(vm, &w, e);
	if (rc < 0)
		return rc;
	return keeper_same(&w, vm->dir) ? 0 : stop_keeper(vm);
}

int vm_keeper_unmake(void *object, bool force, struct hy_err *e)
{
	struct vm *vm = object;
	int runs = find_keeper(vm, e);

	(void)force;
	return runs > 0 ? stop_keeper(vm) : runs;
}
