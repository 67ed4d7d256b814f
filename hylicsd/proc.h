/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc.h - a process of a VM: started by one hylicsd, taken over by the next
 *
 * Runs in: hylicsd
 * Reads from: marks in a VM's directory, which only root writes; /proc
 *
 * DOC: A process outlives who started it
 *
 * Before it becomes its program the new process writes NAME.owner into its VM's directory: process
 * id and start time, which exec keeps. So there is no moment at which it runs and nobody could find
 * it. The next hylicsd reads the mark, sees whether that very process lives, and watches it by a
 * pidfd like its own. How one ended that was taken over is told to nobody: EV_CHILD_UNKNOWN.
 *
 * A mark without a living process is what a crash leaves; it is written over.
 */
#ifndef HYLICSD_PROC_H
#define HYLICSD_PROC_H

#include "common/ev.h"

struct proc {
	struct ev_child child;		/* pid 0: none runs that we know of */
	const char *name;		/* "keeper"; a literal */
	void (*ended)(void *object, struct proc *p, int status);
	void *object;
};

struct proc_spec {
	int dir;			/* of the VM */
	char *const *argv;		/* argv[0] is a path */
	/*
	 * In the new process, before exec: enter a cgroup, place descriptors (all others are
	 * close-on-exec). May be NULL.
	 */
	int (*enter)(void *object, struct hy_err *e);
	void *object;
};

/**
 * proc_start() - Start it, in a session of its own, with its mark written
 * @p:		name, ended and object filled; none runs
 * @loop:	Tells of its end
 * @s:		What to run
 * @e:		Error: what enter(), the mark or exec said; nothing runs then
 */
int proc_start(struct proc *p, struct ev_loop *loop, const struct proc_spec *s, struct hy_err *e);

/**
 * proc_take_over() - Watch the one whose mark is there, if it lives
 * @p:		As for proc_start()
 * @loop:	Tells of its end
 * @dir:	Of the VM
 * @e:		Error
 *
 * Return: 1 if there is one, 0 if not, -errno
 */
int proc_take_over(struct proc *p, struct ev_loop *loop, int dir, struct hy_err *e);

/* Whether one is there that could be taken over; @p's name alone is looked at. */
bool proc_is_left(const struct proc *p, int dir);

/* Send a signal to it; none runs: nothing happens. */
void proc_signal(const struct proc *p, int signo);

/* Watch it no more, and let it run. */
void proc_forget(struct proc *p);

static inline bool proc_runs(const struct proc *p)
{
	return p->child.pid != 0;
}

#endif
