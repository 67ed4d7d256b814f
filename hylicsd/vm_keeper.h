/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm_keeper.h - the last piece of a VM: its keeper, which has the twin, the worker, the connections
 *
 * Runs in: hylicsd
 * Reads from: no untrusted input
 */
#ifndef HYLICSD_VM_KEEPER_H
#define HYLICSD_VM_KEEPER_H

#include "hylicsd/vm.h"

/* In a VM's directory. */
#define VM_STATS "worker.json"
#define VM_CHANNEL "channel.sock"
#define VM_MOVING "moving"
#define VM_MODULES_STATE "modules.json"
#define VM_MODULES "modules"

/* As a piece is made and taken away, see life.h. */
int vm_keeper_make(void *object, struct hy_err *e);
int vm_keeper_unmake(void *object, bool force, struct hy_err *e);

/* Of the other pieces: a step that said "later" goes on then, or is over. */
void vm_piece_wait(struct vm *vm, void (*fn)(void *vm), uint64_t ms);
void vm_piece_done(struct vm *vm, int rc, const struct hy_err *e);
/* A child goes into the VM's cgroup. */
int vm_enter_cgroup(void *object, struct hy_err *e);

#endif
