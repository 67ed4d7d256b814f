/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm.c - one VM: its record, its pieces, and what is being done to it
 *
 * Runs in: hylicsd
 * Reads from: no untrusted input; what is in a share and what a guest says is read by others
 */
#include "hylicsd/vm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/own.h"

#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 60000
#define STEADY_MS 10000			/* what is lost sooner is lost again: not at once then */

/* A degraded VM is tried again, less and less often. */
static void try_later(struct vm *vm)
{
	vm->pause_ms = hy_clock_pause(vm->pause_ms, PAUSE_MIN_MS, PAUSE_MAX_MS);
	ev_timer_set(vm->host->loop, &vm->again, vm->pause_ms);
}

static void degrade(struct vm *vm, const struct hy_err *e)
{
	life_lost(&vm->life, e);
	if (vm->life.state == LIFE_DEGRADED)
		try_later(vm);
	vm->host->changed(vm->host->object, vm);
}

/* The loss is over when the QEMU that had it is seen to be gone. */
static bool share_is_lost(struct vm *vm)
{
	if (!vm->share_lost.num)
		return false;
	if (!vm->qemu_seen || vm_qemu_listens(vm))
		return true;
	vm->share_lost.num = 0;
	unlinkat(vm->dir, VM_VIRTIOFSD_MARK, 0);
	return false;
}

static void try_again(void *object)
{
	struct vm *vm = object;
	bool lost = share_is_lost(vm);

	if (lost && vm->life.state == LIFE_READY) {
		vm->share_only = true;
		degrade(vm, &vm->share_lost);
	} else if (lost && vm->share_only) {
		try_later(vm);
	} else if (vm->life.state != LIFE_READY) {
		(void)vm_make(vm, false, NULL);		/* busy: that one's end decides */
	}
}

void vm_share_lost(struct vm *vm, const struct hy_err *e, uint64_t wait_ms)
{
	vm->share_lost = *e;
	vm->qemu_seen = vm_qemu_listens(vm);
	vm->pause_ms = 0;
	if (vm->life.state == LIFE_READY && wait_ms)
		ev_timer_set(vm->host->loop, &vm->again, wait_ms);
	else if (vm->life.state == LIFE_READY)
		try_again(vm);
}

void vm_share_found(struct vm *vm)
{
	vm->share_lost.num = 0;
	if (vm->share_only)
		(void)vm_make(vm, false, NULL);
}

static void settled(void *object, int rc, const struct hy_err *e)
{
	void (*waits)(void *, struct vm *, int, const struct hy_err *);
	struct vm *vm = object;
	struct host *host = vm->host;

	if (vm->life.state == LIFE_READY)
		vm->ready_ms = hy_clock_ms();
	vm->share_only = vm->life.state == LIFE_READY && share_is_lost(vm);
	if (vm->share_only)
		life_lost(&vm->life, &vm->share_lost);
	if (vm->life.state == LIFE_DEGRADED)
		try_later(vm);
	govern_state(vm);
	host->changed(host->object, vm);
	waits = vm->waits;
	vm->waits = NULL;
	if (waits)
		waits(vm->waiter, vm, rc, e);	/* may close it */
	if (host->settled)
		host->settled(host);
}

void vm_lost(struct vm *vm, const struct hy_err *e)
{
	if (hy_clock_ms() - vm->ready_ms >= STEADY_MS)
		vm->pause_ms = 0;
	vm->share_only = false;
	degrade(vm, e);
}

static int set_paths(struct vm *vm, struct hy_err *e)
{
	int n = snprintf(vm->path, sizeof(vm->path), "%s/vm/%s", vm->host->config.run_dir,
			 vm->rec.name);

	if (n < 0 || (size_t)n >= sizeof(vm->path))
		return hy_err_usage(e, "name", "name '%s': too long for a socket below '%s'",
				    vm->rec.name, vm->host->config.run_dir);
	snprintf(vm->socket_path, sizeof(vm->socket_path), "%s/virtiofs.sock", vm->path);
	snprintf(vm->share_path, sizeof(vm->share_path), "%s/share", vm->path);
	return 0;
}

struct vm *vm_open(struct host *host, const struct record *rec, struct hy_err *e)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	if (!vm) {
		hy_err_set(e, ENOMEM, "vm '%s'", rec->name);
		return NULL;
	}
	vm->host = host;
	vm->rec = *rec;
	vm->dir = vm->export.listener = vm->job.hear = -1;
	vm->life = (struct life){ .pieces = vm_pieces, .n = vm_n_pieces, .settled = settled,
				  .vm = vm };
	vm->again = (struct ev_timer){ .fn = try_again, .object = vm };
	if (set_paths(vm, e) < 0)
		hy_mem_free(&vm);
	return vm;
}

void vm_close(struct vm *vm)
{
	ev_timer_cancel(vm->host->loop, &vm->again);
	ev_timer_cancel(vm->host->loop, &vm->patience);
	if (vm->export.cfg.loop)
		export_leave(&vm->export);
	proc_forget(&vm->keeper);
	vm_pages_close(vm);
	tend_close(vm);
	if (job_runs(&vm->job))
		ev_child_forget(&vm->job.child);
	hy_fd_close(&vm->job.hear);
	hy_fd_close(&vm->dir);
	free(vm);
}

int vm_make(struct vm *vm, bool first, struct hy_err *e)
{
	ev_timer_cancel(vm->host->loop, &vm->again);
	return life_make(&vm->life, first, e);
}

int vm_unmake(struct vm *vm, bool force, struct hy_err *e)
{
	int rc;

	(void)vm_find_dir(vm, NULL);	/* what another hylicsd has left, if anything */
	rc = force ? 0 : vm_in_use(vm, e);
	if (rc < 0)
		return rc;
	ev_timer_cancel(vm->host->loop, &vm->again);
	tend_stop(vm);			/* it has files of the share open */
	return life_unmake(&vm->life, force, e);
}

/* Of a VM that could not be made again the virtiofsd of another hylicsd may serve still. */
static bool is_served(const struct vm *vm)
{
	const struct proc left = { .name = EXPORT_PROC };

	if (vm->export.listener >= 0)
		return export_serves(&vm->export);
	return vm->dir >= 0 && proc_is_left(&left, vm->dir);
}

int vm_in_use(const struct vm *vm, struct hy_err *e)
{
	if (!is_served(vm))
		return 0;
	return hy_err_set(e, EADDRINUSE, "vm '%s': its guest has the share mounted; stop the VM, "
			  "or use --force, which takes the share from under it", vm->rec.name);
}
