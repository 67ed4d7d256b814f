/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * job.h - work that may take long, done in a child so that the loop goes on
 *
 * Runs in: hylicsd
 * Reads from: the child, which is hylicsd itself but may have met hostile content
 *
 * The child has a copy of everything at its start and none of the descriptors but those named: what
 * it holds open would keep clients and listeners alive. What it says is one error object at its
 * end; a child that dies has failed.
 */
#ifndef HYLICSD_JOB_H
#define HYLICSD_JOB_H

#include "common/cgroup.h"
#include "common/ev.h"

#define JOB_FDS_MAX 8

struct job {
	struct ev_child child;		/* pid 0: none runs */
	int hear;
	void (*done)(void *object, int rc, const struct hy_err *e);
	void *object;
};

struct job_spec {
	const char *name;		/* for errors: "save the share" */
	int (*work)(void *object, struct hy_err *e);
	void *object;			/* of work() */
	int keep[JOB_FDS_MAX];		/* descriptors work() needs */
	unsigned int n_keep;
};

/**
 * job_start() - Begin
 * @j:		done and object filled; none runs
 * @loop:	Tells of its end
 * @s:		What to do
 * @e:		Error
 *
 * Return: 0, done() follows; -errno, and it does not
 */
int job_start(struct job *j, struct ev_loop *loop, const struct job_spec *s, struct hy_err *e);

/* Kill it; done() follows. None runs: nothing happens. */
void job_cancel(struct job *j);

/**
 * job_enter() - In the child: go into a VM's cgroup, whose memory what follows is
 * @door:	From cgroup_door_open()
 * @e:		Error
 *
 * If that memory ends, the child is the one that is to go, not the VM's virtiofsd.
 */
int job_enter(const struct cgroup_door *door, struct hy_err *e);

/**
 * job_limit() - In the child: cgroup_limit() that ends
 * @c:		As for that
 * @name:	As for that
 * @bytes:	As for that
 * @ms:		A guest may fill memory as fast as the kernel empties it; then it is enough
 * @e:		Error, as for that; ETIMEDOUT, the old limit holds: some may have been moved out
 */
int job_limit(const struct cgroups *c, const char *name, uint64_t bytes, uint64_t ms,
	      struct hy_err *e);

static inline bool job_runs(const struct job *j)
{
	return j->child.pid != 0;
}

#endif
