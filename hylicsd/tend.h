/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tend.h - a VM's tender: the job that keeps its files and its limit of memory
 *
 * Runs in: hylicsd; the work in a job inside the VM's cgroup
 * Reads from: the share (hostile): names and sizes of files; what the tender tells (believed no
 * more than a worker's counters)
 *
 * docs/memory.md has the design, tender.h what the job does. While it runs nobody else changes the
 * VM's limit.
 */
#ifndef HYLICSD_TEND_H
#define HYLICSD_TEND_H

#include <stdbool.h>
#include <stdint.h>

#include "common/limits.h"
#include "hylicsd/job.h"

struct vm;

struct tend_file {
	char path[HY_PATH_MAX + 1];	/* in the share; "": its name is not known */
	uint64_t size_bytes, memory_bytes;
	uint64_t idle_ms;		/* since it was used */
};

/* What a tender has found and done since it began. */
struct tend_report {
	uint64_t limit_bytes;		/* of memory for files that is in force; 0: not known yet */
	uint64_t size_bytes, memory_bytes;	/* of all files it knows */
	uint64_t files, left_out;	/* known; more than it may know */
	uint64_t put_out, brought_back;	/* files */
	uint64_t put_out_bytes, brought_back_bytes;
	uint64_t stuck;			/* limits that could not be had */
	unsigned int n_shown;
	struct tend_file shown[HY_TEND_SHOWN_MAX];	/* those used last */
};

struct tend {
	struct job job;
	struct tend_board *board;	/* NULL: none runs */
	/* the limit in force has changed, or one cannot be had for now, or the tender is gone */
	void (*changed)(void *object);
	void *object;
};

/**
 * tend_start() - Begin
 * @vm:			Ready; its @tend has changed and object filled
 * @limit_bytes:	Of memory for files, to begin with
 * @idle_ms:		0: no file is idle
 * @e:			Error
 */
int tend_start(struct vm *vm, uint64_t limit_bytes, uint64_t idle_ms, struct hy_err *e);

/* Other numbers, while it runs. What is in force is told by changed(). */
void tend_set(struct vm *vm, uint64_t limit_bytes, uint64_t idle_ms);

/* End it; nothing is told. The limit in force stays. */
void tend_stop(struct vm *vm);

/*
 * While pages are put out or brought back by hand it stands still, and what a job that puts some
 * out has opened is not used for that. None runs: nothing happens.
 */
void tend_hold(struct vm *vm);
void tend_quiet(struct vm *vm, pid_t pid);
void tend_go_on(struct vm *vm);

/* The VM is forgotten: its tender as well, if there is one, with all there is of it. */
void tend_close(struct vm *vm);

/* What it tells, checked. Return: false: none runs */
bool tend_report(const struct vm *vm, struct tend_report *r);

#endif
