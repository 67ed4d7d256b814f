/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * govern.h - the memory of all VMs with control=dynamic: decided, divided, told to their tenders
 *
 * Runs in: hylicsd
 * Reads from: workers' counters (guests' words), by decide.h; what tenders tell
 *
 * docs/memory.md has the design. The budget is what all VMs may have; static ones have theirs, the
 * rest is divided among the others, by handout.h. One timer for all: it comes at the next decision.
 */
#ifndef HYLICSD_GOVERN_H
#define HYLICSD_GOVERN_H

#include "common/cgroup.h"
#include "common/ev.h"
#include "hylicsd/decide.h"
#include "hylicsd/handout.h"

/* In a VM's directory. */
#define VM_IN_FORCE "memory"

struct vm;
struct vms;

/* Of a VM; bytes of memory for files. */
struct govern_vm {
	struct decide decide;
	uint64_t in_force, told, given;	/* with control=dynamic */
	uint64_t before;		/* of its cgroup, if static: until its own is had */
	bool is_fresh;			/* nothing is in force: its cgroup is not made yet */
	bool decided;			/* to be told of, once it is divided */
	struct {
		enum law_reason reason;
		uint64_t wanted, given;
	} logged;			/* the last decision that had something new to say */
};

struct govern {
	struct vms *vms;
	struct ev_timer timer;
	bool busy;			/* at work: what a tender tells is seen in its course */
	bool look;			/* a limit has come into force */
	uint64_t reserved;		/* bytes that nobody is told to have, for one who asked */
	uint64_t reserved_until_ms;
	/* Scratch. */
	struct vm *vm[HY_VMS_MAX];
	struct handout at[HY_VMS_MAX];
	struct claim room[HY_VMS_MAX];
};

/* Begin: no VM yet. */
void govern_open(struct govern *g, struct vms *vms);

/* No decision comes any more; limits stay. */
void govern_close(struct govern *g);

/**
 * govern_enter() - A VM is in the list: look what is in force, before anything is divided
 * @vm:	Nothing of it is made by this hylicsd yet
 */
void govern_enter(struct vm *vm);

/* A VM is in the list no more: what it had is for others. */
void govern_left(struct govern *g);

/**
 * govern_room() - Whether there is memory for a VM now, beside what others have in force
 * @g:		Whose floors and static memories fit, by budget_check()
 * @r:		What it is to have
 * @own:	The VM, if it is there already
 * @e:		Error: others were told to give back what is missing, for the next try
 *
 * Return: 0, -EAGAIN
 */
int govern_room(struct govern *g, const struct record *r, const struct vm *own, struct hy_err *e);

/**
 * govern_set() - A VM is to have something else
 * @vm:	Its record is the new one
 * @was:	The old one
 */
void govern_set(struct vm *vm, const struct record *was);

/* A VM's state has changed: control begins when it is ready. */
void govern_state(struct vm *vm);

/**
 * govern_limit() - What limit a VM's cgroup is made with
 * @vm:		Its cgroup is there
 * @u:		Of that
 *
 * Return: bytes, with what is beside files; 0: it stays as it is
 */
uint64_t govern_limit(struct vm *vm, const struct cgroup_usage *u);

#endif
