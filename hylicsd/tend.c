/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tend.c - a VM's tender: the job that keeps its files and its limit of memory
 *
 * Runs in: hylicsd; the work in a job inside the VM's cgroup
 * Reads from: the share (hostile): names and sizes of files; what the tender tells (believed no
 * more than a worker's counters)
 */
#include "hylicsd/tend.h"

#include <errno.h>
#include <stdlib.h>

#include "hylicsd/vm.h"

/* A stand-in: no job, no files; the limit is set at once. */
struct tend_board {
	struct tend_report report;
};

static void set_limit(struct vm *vm, uint64_t limit_bytes)
{
	struct tend_report *r = &vm->tend.board->report;
	struct hy_err e = { 0 };

	if (cgroup_limit(&vm->host->cgroups, vm->rec.name, limit_bytes + HY_VM_OVERHEAD, &e) < 0) {
		hy_log_err(vm->host->log, HY_LOG_WARN, &e);
		r->stuck++;
		return;
	}
	r->limit_bytes = limit_bytes;
}

int tend_start(struct vm *vm, uint64_t limit_bytes, uint64_t idle_ms, struct hy_err *e)
{
	vm->tend.board = calloc(1, sizeof(*vm->tend.board));
	if (!vm->tend.board)
		return hy_err_set(e, ENOMEM, "memory for a tender's board");
	tend_set(vm, limit_bytes, idle_ms);
	return 0;
}

void tend_set(struct vm *vm, uint64_t limit_bytes, uint64_t idle_ms)
{
	(void)idle_ms;
	if (!vm->tend.board)
		return;
	set_limit(vm, limit_bytes);
	if (vm->tend.changed)
		vm->tend.changed(vm->tend.object);
}

void tend_stop(struct vm *vm)
{
	free(vm->tend.board);
	vm->tend.board = NULL;
}

bool tend_report(const struct vm *vm, struct tend_report *r)
{
	if (vm->tend.board)
		*r = vm->tend.board->report;
	return vm->tend.board;
}
