/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tender.h - the work of a VM's tender: what tend.h has a job for
 *
 * Runs in: a job of hylicsd, inside the VM's cgroup
 * Reads from: the share (hostile): names, sizes, times; who opens what of it, from the kernel
 *
 * DOC: What it has
 *
 * A copy of the share's mount, read-only, noatime and attached nowhere: so hylicsd's own can be
 * unmounted while it lives, and what it reads is no use. Files are opened by their handles, so
 * nothing that a guest does to names leads it elsewhere. Beyond its memory it knows nothing: one
 * that is started again finds it all anew, but who has opened what.
 *
 * It rests as long as it has worked for what a guest can cause, but a second at most. So it has
 * half a processor and half of a disk, which are the VM's; more only where one go takes longer than
 * that.
 */
#ifndef HYLICSD_TENDER_H
#define HYLICSD_TENDER_H

#include <stdint.h>
#include <sys/stat.h>

#include "common/cgroup.h"
#include "common/log.h"
#include "hylicsd/files.h"
#include "hylicsd/tend.h"
#include "hylicsd/tender_board.h"

struct tender_job {
	int share;			/* root of its own mount of it, see tender_share() */
	int wake, told;			/* eventfds: hylicsd has written, the tender has */
	const char *name;
	struct tender_board *board;
	const struct cgroups *groups;
	struct cgroup_door door;
	const struct hy_log *log;
};

/**
 * tender_share() - The share as a tender has it
 * @dir:	Of the VM
 * @e:		Error
 *
 * Return: a descriptor, the caller's; -errno
 */
int tender_share(int dir, struct hy_err *e);

/**
 * tender_work() - Tend until killed
 * @object:	A struct tender_job
 * @e:		Error
 *
 * Return: -errno; never 0
 */
int tender_work(void *object, struct hy_err *e);

/* -- its parts -- */

#define TENDER_OPENED_MAX 256

struct tender {
	const struct tender_job *job;
	struct files *files;
	struct tend_report *report;	/* its own, copied to the board */
	int fan;			/* -1: times alone tell of uses */
	uint64_t in_force;		/* of the limit, for files */
	uint64_t going;			/* as far as it is lowered; in_force: it is not */
	uint64_t refused;		/* a limit that could not be had, 0: none */
	uint64_t retry_ms, pause_ms;	/* when it is tried again */
	uint64_t step_ms;		/* since when a step is tried, 0: none is */
	uint64_t walk_ms, rest_ms;	/* when it walks next, looks for opens next */
	uint64_t soonest_ms;		/* not before that, whatever happens */
	uint64_t tell_ms;
	unsigned int cursor;		/* the row that is counted next */
	unsigned int n_opened;
	struct tender_opened {
		uint64_t ino, when_ms;
	} opened[TENDER_OPENED_MAX];
	bool overflow;			/* some uses were not told */
};

/*
 * A limit waits for nothing else: this is called between two pieces of whatever takes time. What is
 * new is told. Return: ms until the limit's next step, or -1
 */
int tender_hear(struct tender *t);

/* tender_limit.c: goes a step towards the limit that is wanted. Return: ms until the next, or -1 */
int tender_limit_step(struct tender *t);

/* What is in force is so in the kernel, too: a squeeze that went wrong has left less. */
void tender_limit_hold(const struct tender *t);

/* tender_uses.c: have the kernel tell of opens from here on. */
void tender_uses_open(struct tender *t);

/* Takes what it has told by now, so much at most in one go. */
void tender_uses_take(struct tender *t);

/* Whether a file is known, which is noted then, or was used too long ago to be. */
bool tender_seen(struct tender *t, const struct stat *st);

/**
 * tender_learn() - Know a file, or what is new of it
 * @t:		Tender
 * @fd:		Of it; a path will do
 * @used_ms:	When it was used, 0: as its times say
 *
 * Return: its row; NULL if it is no regular file with a name, or not one of those used last
 */
struct files_row *tender_learn(struct tender *t, int fd, uint64_t used_ms);

/**
 * tender_open() - Open a known file
 * @t:		Tender
 * @row:	Gone if this fails: the file is no more
 *
 * Return: a descriptor for pages.h, the caller's; -errno
 */
int tender_open(struct tender *t, struct files_row *row);

/* tender_files.c: goes through the share, and counts what is in memory, as far as time allows. */
void tender_look(struct tender *t);

/* Puts out what is idle. Return: whether more waits */
bool tender_put_out(struct tender *t);

/* Brings back what was opened. */
void tender_bring_back(struct tender *t);

#endif
