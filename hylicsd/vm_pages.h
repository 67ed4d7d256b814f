/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm_pages.h - files of a VM's share put out of memory, or brought back
 *
 * Runs in: hylicsd; the work in jobs inside the VM's cgroup
 * Reads from: clients of the API; the share (hostile), see pages.h
 *
 * One request at a time for each VM, beside whatever else is done to it. What changes the VM's
 * limit or takes the share away ends it first.
 */
#ifndef HYLICSD_VM_PAGES_H
#define HYLICSD_VM_PAGES_H

#include "common/limits.h"
#include "hylicsd/job.h"
#include "hylicsd/pages.h"

struct vm;

struct pages_file {
	char path[HY_PATH_MAX + 1];	/* in the share */
	struct pages_count before, after;
	struct hy_err e;		/* if it could not be done: num is set */
};

/* Shared with the job, which fills in what it finds. */
struct pages_board {
	bool in;
	unsigned int n;
	struct pages_file file[HY_PAGES_FILES_MAX];
};

/* Told once; @board is good until the return, NULL if @rc is negative. */
typedef void pages_done(void *object, const struct pages_board *board, int rc,
			const struct hy_err *e);

struct vm_pages {
	struct job job;
	struct pages_board *board;
	pages_done *done;
	void *object;
	unsigned int n;
	uint64_t limit_bytes;		/* of the VM's cgroup, at the beginning */
	/* A piece's step that waits for the end; see vm_pages_stop(). */
	int (*then)(void *vm, struct hy_err *e);
};

/**
 * vm_pages_start() - Put files out, or bring them back
 * @vm:		VM
 * @wish:	in, n and paths filled; copied
 * @done:	Called at the end
 * @object:	For it
 * @e:		Error: EBUSY, ENOENT if there is no share
 *
 * Return: 0: done() follows
 */
int vm_pages_start(struct vm *vm, const struct pages_board *wish, pages_done *done, void *object,
		   struct hy_err *e);

/**
 * vm_pages_stop() - End the work, for a step of a piece that it would disturb
 * @vm:		VM
 * @then:	The step; done again at the end
 *
 * Return: whether there is something to wait for: the step is to say LIFE_LATER
 */
bool vm_pages_stop(struct vm *vm, int (*then)(void *vm, struct hy_err *e));

/* Forget it; the work ends with hylicsd. */
void vm_pages_close(struct vm *vm);

#endif
