/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vms.h - all VMs of a host: added, changed, removed, found again after a restart
 *
 * Runs in: hylicsd
 * Reads from: records; RUN/vm and the cgroups, for what another hylicsd has left
 *
 * A VM is in the list from the moment it is being added, so that nobody adds it twice; it has a
 * record from the moment all of it is there, until all of it is gone. Whatever is found at a start
 * without a record is swept.
 */
#ifndef HYLICSD_VMS_H
#define HYLICSD_VMS_H

#include "hylicsd/budget.h"
#include "hylicsd/swap_tier.h"
#include "hylicsd/uids.h"
#include "hylicsd/vm.h"

/* A record nobody can read: its VM is left as it is. */
struct vms_bad {
	TAILQ_ENTRY(vms_bad) next;
	char name[HY_NAME_MAX + 1];
	struct hy_err why;
};

struct vms {
	struct host host;
	TAILQ_HEAD(vm_list, vm) list;		/* in the order of their names */
	TAILQ_HEAD(bad_list, vms_bad) bad;
	unsigned int n;
	struct record_dir records;
	struct uids uids;
	uint64_t budget_limit;		/* bytes all VMs together may have */
	struct swap_tier swap;
	struct govern govern;
	void (*all_gone)(void *object);	/* after vms_stop() */
	void *object;
	enum { VMS_STOP_NOT, VMS_STOP_LOOKS, VMS_STOP_WAITS, VMS_STOP_DONE } stop;
};

/* Told once, when what was asked for is done or has failed; @vm is NULL if it is no more. */
typedef void vms_done(void *object, struct vm *vm, int rc, const struct hy_err *e);

struct vms_asker {
	vms_done *done;
	void *object;
};

/**
 * vms_open() - Read the records, make what they say, sweep what has none
 * @vms:	host filled but for vms, cgroups and virtiofsd; the rest is filled here
 * @e:		Error: of what all VMs need. A VM that cannot be made is degraded, and no error here
 */
int vms_open(struct vms *vms, struct hy_err *e);

/* Forget all, and let it run. */
void vms_close(struct vms *vms);

struct vm *vms_find(struct vms *vms, const char *name, struct hy_err *e);	/* -ENOENT: NULL */

/**
 * vms_add() - A new VM
 * @vms:	VMs
 * @rec:	Without uid, else as it is to be
 * @asker:	Copied
 * @e:		Error: wrong, there already, clashes with another one, no room
 *
 * Return: 0: done() has been called or will be; -errno, and it will not
 */
int vms_add(struct vms *vms, struct record *rec, const struct vms_asker *asker,
	    struct hy_err *e);

/**
 * vms_export() - How a share is exported when nobody said it
 * @vms:	VMs
 * @rec:	Of a VM that is to be added, with its sizes
 *
 * Return: virtiofs; 9p on a host without a virtiofsd, unless 9p cannot do what is wanted
 */
enum record_export vms_export(const struct vms *vms, const struct record *rec);

/**
 * vms_set() - Let a VM have something else
 * @vms:	VMs
 * @vm:		One of them
 * @rec:	All it is to have
 * @asker:	Copied
 * @e:		Error: as vms_add(); then nothing has changed
 *
 * The record is written before it is applied. What cannot be applied now is tried again, and
 * done() tells that.
 */
int vms_set(struct vms *vms, struct vm *vm, struct record *rec, const struct vms_asker *asker,
	    struct hy_err *e);

/**
 * vms_drain() - Bring a VM's connections home, and let none move until offload is on again
 * @vms:	VMs
 * @vm:		One of them, in whatever state
 * @e:		Error: it could not be written down
 *
 * Nothing is waited for. It outlives hylicsd, not the VM's directory.
 */
int vms_drain(struct vms *vms, struct vm *vm, struct hy_err *e);

/**
 * vms_remove() - Take a VM away, and then its record
 * @vms:	VMs
 * @vm:		One of them
 * @force:	Also if it is in use
 * @asker:	Copied
 * @e:		Error: in use, busy
 */
int vms_remove(struct vms *vms, struct vm *vm, bool force, const struct vms_asker *asker,
	       struct hy_err *e);

/* Take down all that nobody uses; all_gone() follows. Records stay. */
void vms_stop(struct vms *vms);

/* How much memory the VMs may take together, and take. */
struct budget vms_budget(const struct vms *vms, const struct vm *without);

#endif
