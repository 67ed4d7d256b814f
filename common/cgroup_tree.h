/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cgroup_tree.h - the cgroup file systems as they are mounted, and directories in them
 *
 * Runs in: hylicsd, hylics
 * Reads from: the cgroup file systems of this machine
 */
#ifndef HY_CGROUP_TREE_H
#define HY_CGROUP_TREE_H

#include <stdbool.h>

#include "common/err.h"

/* One mounted hierarchy, as /proc/self/mountinfo has it. */
struct cgroup_mount {
	const char *place;		/* the mount point */
	const char *options;		/* of version 1: its controllers are among them */
	bool v2;
};

/**
 * cgroup_mounts() - Look at every mounted hierarchy of this mount namespace
 * @visit:	Called for each; its texts end with the call
 * @arg:	Handed to @visit
 * @e:		Error
 */
int cgroup_mounts(void (*visit)(const struct cgroup_mount *m, void *arg), void *arg,
		  struct hy_err *e);

/**
 * cgroup_children() - Look at every cgroup right below one
 * @parent:	Directory @name is in, AT_FDCWD
 * @name:	Of the cgroup
 * @visit:	Called with the cgroup's descriptor and a child's name; may remove that child
 * @arg:	Handed to @visit
 *
 * Return: 0, -errno if it cannot be opened
 */
int cgroup_children(int parent, const char *name,
		    void (*visit)(int dir, const char *child, void *arg), void *arg);

/**
 * cgroup_remove_tree() - Remove a cgroup with all below it; kills nothing and does not wait
 * @parent:	Directory @name is in
 * @name:	Of the cgroup
 *
 * Return: 0 also if it was not there, -EBUSY while a process is inside, or is just ending
 */
int cgroup_remove_tree(int parent, const char *name);

/* Opens a cgroup, for openat() below it; follows no symlink. Return: descriptor, -1 and errno */
int cgroup_dir(int parent, const char *name);

#endif
