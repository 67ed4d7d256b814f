/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm.h - one VM: its record, its pieces, and what is being done to it
 *
 * Runs in: hylicsd
 * Reads from: no untrusted input; what is in a share and what a guest says is read by others
 *
 * docs/host.md has the design: the pieces and their order are there, the states in life.h.
 */
#ifndef HYLICSD_VM_H
#define HYLICSD_VM_H

#include <sys/queue.h>

#include "common/cgroup.h"
#include "common/moving.h"
#include "hylicsd/config.h"
#include "hylicsd/export.h"
#include "hylicsd/govern.h"
#include "hylicsd/job.h"
#include "hylicsd/life.h"
#include "hylicsd/record.h"
#include "hylicsd/tend.h"
#include "hylicsd/vm_pages.h"

#define VM_PATH_MAX 108			/* of a socket, with the NUL */
#define VM_VIRTIOFSD_MARK "virtiofsd.owner"
#define VM_DIR_MAX (VM_PATH_MAX - sizeof("/virtiofs.sock") + 1)

struct vm;

/* What all VMs share. */
struct host {
	struct config config;
	struct ev_loop *loop;
	const struct hy_log *log;
	int vms;			/* directory RUN/vm */
	struct cgroups cgroups;
	struct govern *govern;
	char *virtiofsd;		/* path; NULL: there is none */
	struct hy_err no_virtiofsd;	/* why */
	gid_t qemu_group;		/* 0: root's alone */
	/* A VM's state has changed; @vm is good until the return. */
	void (*changed)(void *object, struct vm *vm);
	/* It was decided how much memory it wants, likewise. */
	void (*decided)(void *object, struct vm *vm);
	void *object;
	/* What was under way for a VM is over, and whoever waited for it was told. */
	void (*settled)(struct host *host);
};

struct vm {
	TAILQ_ENTRY(vm) next;
	struct host *host;
	struct record rec;		/* what it is to have */
	struct life life;
	int dir;			/* RUN/vm/NAME, -1: not there */
	char path[VM_DIR_MAX];		/* of that */
	char share_path[VM_PATH_MAX], socket_path[VM_PATH_MAX];
	struct export export;
	struct proc keeper;
	bool keeper_stops;		/* it was told to; its end is not a loss */
	bool told_to_go;		/* hylicsd is stopping */
	bool draining;			/* no connection is to move, until offload is on again */
	struct hy_err share_lost;	/* num is not 0: its guest has lost the share, and how */
	bool qemu_seen;			/* its QEMU listened at the channel's socket then */
	bool share_only;		/* and nothing else makes it degraded */
	struct job job;
	struct vm_pages pages;
	struct tend tend;
	struct govern_vm memory;
	struct ev_timer again;		/* tries a degraded one again */
	struct ev_timer patience;	/* of what is being taken away */
	uint64_t pause_ms, ready_ms, patience_ms;
	/* Told once when what is under way has settled; NULL: nobody waits. */
	void (*waits)(void *object, struct vm *vm, int rc, const struct hy_err *e);
	void *waiter;
};

/**
 * vm_open() - A VM of which nothing is known to be there
 * @host:	Must outlive it
 * @rec:	Copied; checked
 * @e:		Error: a name too long for a socket's path below RUN
 *
 * Return: the VM, to vm_close(); NULL
 */
struct vm *vm_open(struct host *host, const struct record *rec, struct hy_err *e);

/* Forget it; what it has runs on and stays, for the next hylicsd. */
void vm_close(struct vm *vm);

/**
 * vm_make() - Make what is missing, or bring it to what the record says
 * @vm:		VM
 * @first:	A failure takes everything away again
 * @e:		Error: EBUSY
 *
 * Return: 0: waits() will be or has been called
 */
int vm_make(struct vm *vm, bool first, struct hy_err *e);

/**
 * vm_unmake() - Take everything away, saved first if it is to be kept
 * @vm:		VM
 * @force:	Whoever uses it, and if it cannot be saved
 * @e:		Error: EBUSY, EADDRINUSE if it is in use and not @force
 */
int vm_unmake(struct vm *vm, bool force, struct hy_err *e);

/**
 * vm_lost() - A piece is gone that was there; it is made again after a pause
 * @vm:	VM
 * @e:	How
 */
void vm_lost(struct vm *vm, const struct hy_err *e);

/* Whether the share has what it is to begin with, so that from now on it is the guest's. */
bool vm_is_loaded(const struct vm *vm);

/* What holds now for its connections. */
enum hy_moving vm_moving(const struct vm *vm);

/**
 * vm_tell_keeper() - Let the VM's keeper know, now and when it begins, what its words do not say
 * @vm:		By its record and @vm->draining
 * @e:		Error: it could not be written down
 *
 * No directory: nothing happens, it is told when the VM is made.
 */
int vm_tell_keeper(const struct vm *vm, struct hy_err *e);

/**
 * vm_share_lost() - Its virtiofsd has died under its guest, as far as anybody can tell
 * @vm:		VM
 * @e:		How
 * @wait_ms:	Until then it may still turn out that QEMU has gone, too
 *
 * It is degraded from then on, until the guest's QEMU is gone or another one has come.
 */
void vm_share_lost(struct vm *vm, const struct hy_err *e, uint64_t wait_ms);

/* A guest has the share again. */
void vm_share_found(struct vm *vm);

/* Whether a QEMU has made the channel's socket and lives. */
bool vm_qemu_listens(const struct vm *vm);

/* Open its directory, if it has one of ours. */
int vm_find_dir(struct vm *vm, struct hy_err *e);

/* The pieces, in order. */
extern const struct life_piece vm_pieces[];
extern const unsigned int vm_n_pieces;

/* Whether a guest has its share mounted: EADDRINUSE. Who else uses it is seen when it is to go. */
int vm_in_use(const struct vm *vm, struct hy_err *e);

#endif
