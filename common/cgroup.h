/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cgroup.h - cgroups of version 1 and 2 behind one set of calls
 *
 * Runs in: hylicsd, hylics
 * Reads from: the cgroup file systems of this machine; names from records and configuration
 *
 * DOC: Hierarchies
 *
 * A machine has one hierarchy (version 2), several (version 1, one per controller) or both. Here
 * memory and CPU time are wanted: where version 2 has the memory controller it alone is used, else
 * the hierarchies of memory and of cpuacct. A machine where version 2 is mounted beside them
 * without controllers (hybrid) is of the second kind. What is done is done in each hierarchy used.
 *
 * Version 2 hands a controller down level by level, and a level that does so holds no processes.
 * So the levels on the way to GROUP are told to, unless they do already, as those of a cgroup that
 * systemd delegated. If the caller itself is inside GROUP (Delegate=yes without DelegateSubgroup=)
 * it moves to GROUP/self.daemon first; a VM's name has no dot.
 */
#ifndef HY_CGROUP_H
#define HY_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

#define CGROUP_TREES_MAX 2
#define CGROUP_NAME_MAX 63
#define CGROUP_GROUP_MAX 255
#define CGROUP_NO_LIMIT UINT64_MAX

struct cgroup_tree {
	int fd;				/* of GROUP in this hierarchy */
	bool v2;
	bool memory, cpu;		/* what is read and set here */
};

/* GROUP in all hierarchies used: the directory that holds one cgroup per VM. */
struct cgroups {
	struct cgroup_tree tree[CGROUP_TREES_MAX];
	unsigned int n;
	char group[CGROUP_GROUP_MAX + 1];
};

struct cgroup_usage {
	uint64_t memory_bytes;		/* in memory, without swap */
	uint64_t swap_bytes;		/* 0 where the kernel does not count it */
	uint64_t limit_bytes;		/* of memory; CGROUP_NO_LIMIT */
	uint64_t cpu_ns;		/* of all its processes, ended ones too */
};

/* Opened before fork(), used between fork() and exec(). */
struct cgroup_door {
	int fd[CGROUP_TREES_MAX];
	unsigned int n;
};

/**
 * cgroup_open() - Find the hierarchies, and make GROUP in them
 * @c:		Filled on success; cgroup_close() it
 * @group:	Path below each hierarchy's mount point: "hylics", "system.slice/hylicsd.service"
 * @e:		Error; ENOTSUP where there is no memory controller
 */
int cgroup_open(struct cgroups *c, const char *group, struct hy_err *e);

/* Gives the descriptors back; GROUP stays. */
void cgroup_close(struct cgroups *c);

/**
 * cgroup_each() - Name every cgroup below GROUP
 * @c:		From cgroup_open()
 * @visit:	Called with the name, once per hierarchy that has it
 * @arg:	Handed to @visit
 * @e:		Error
 */
int cgroup_each(const struct cgroups *c, void (*visit)(int dir, const char *name, void *arg),
		void *arg, struct hy_err *e);

/**
 * cgroup_make() - Make GROUP/NAME in every hierarchy
 * @c:		From cgroup_open()
 * @name:	Letters a-z, digits, dashes
 * @e:		Error
 *
 * One that is there is kept as it is. Return: 0; on failure nothing that was made stays
 */
int cgroup_make(const struct cgroups *c, const char *name, struct hy_err *e);

/**
 * cgroup_limit() - Set how much stays in memory; the rest goes to swap, which is not limited
 * @c:		From cgroup_open()
 * @name:	As for cgroup_make()
 * @bytes:	Limit, CGROUP_NO_LIMIT to have none; the kernel cuts it to whole pages
 * @e:		Error; EBUSY: the old limit holds, as what is above could not be moved out
 *
 * A limit below what is in use makes the kernel move pages out before it returns: with a slow
 * swap this takes long, with a guest that writes as fast for ever, so it is for a process that may
 * block, see job_limit(). Nothing is ever killed by it.
 */
int cgroup_limit(const struct cgroups *c, const char *name, uint64_t bytes, struct hy_err *e);

/**
 * cgroup_usage() - Read what a cgroup uses
 * @c:		From cgroup_open()
 * @name:	As for cgroup_make()
 * @u:		Filled on success
 * @e:		Error
 */
int cgroup_usage(const struct cgroups *c, const char *name, struct cgroup_usage *u,
		 struct hy_err *e);

/**
 * cgroup_put() - Move a process into a cgroup
 * @c:		From cgroup_open()
 * @name:	As for cgroup_make()
 * @pid:	Of the process; what it has in memory already stays charged where it was
 * @e:		Error
 */
int cgroup_put(const struct cgroups *c, const char *name, pid_t pid, struct hy_err *e);

/**
 * cgroup_door_open() - Prepare that a child moves itself in before it executes
 * @c:		From cgroup_open()
 * @name:	As for cgroup_make()
 * @door:	Filled on success; cgroup_door_close() it; closed by exec()
 * @e:		Error
 */
int cgroup_door_open(const struct cgroups *c, const char *name, struct cgroup_door *door,
		     struct hy_err *e);

/**
 * cgroup_enter() - Move the calling process in; for use between fork() and exec()
 * @door:	From cgroup_door_open()
 *
 * Return: 0, -errno
 */
int cgroup_enter(const struct cgroup_door *door);

/* Gives the descriptors back. */
void cgroup_door_close(struct cgroup_door *door);

/**
 * cgroup_list() - List the processes in a cgroup
 * @c:		From cgroup_open()
 * @name:	As for cgroup_make()
 * @pids:	Filled
 * @max:	Room in @pids; what is more is left out
 * @e:		Error
 *
 * One that is in one hierarchy's cgroup only is listed too, one in both once.
 *
 * Return: how many were filled in, -errno
 */
int cgroup_list(const struct cgroups *c, const char *name, pid_t *pids, size_t max,
		struct hy_err *e);

/**
 * cgroup_kill() - Send SIGKILL to what is inside, at any depth
 * @c:		From cgroup_open()
 * @name:	As for cgroup_make()
 * @e:		Error
 *
 * Does not wait for their ends. What was forked meanwhile may be left: the caller asks again until
 * there is nothing. Return: how many were still found inside before, 0 also if there is no such
 * cgroup, -errno
 */
int cgroup_kill(const struct cgroups *c, const char *name, struct hy_err *e);

/**
 * cgroup_remove() - Remove GROUP/NAME from every hierarchy
 * @c:		From cgroup_open()
 * @name:	As for cgroup_make()
 * @e:		Error; EBUSY while a process is inside or just ending: the caller tries again
 */
int cgroup_remove(const struct cgroups *c, const char *name, struct hy_err *e);

#endif
