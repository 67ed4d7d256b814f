/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wall_cgroup.h - the cgroups of a wall: the one thing of it that the kernel does not remove
 *
 * Runs in: hylics
 * Reads from: the cgroup file systems of this machine
 *
 * What is inside a wall makes its cgroups in a directory of the wall's name, at the mount point of
 * each hierarchy it needs. A name is hylics-lab-PID-STARTTIME: the supervisor's process id, and
 * when it was started (field 22 of /proc/PID/stat), since process ids come back. A wall inside a
 * wall appends its own -PID-STARTTIME, so the outermost supervisor owns them all.
 */
#ifndef HY_WALL_CGROUP_H
#define HY_WALL_CGROUP_H

#include <stddef.h>

#include "common/err.h"

#define WALL_CGROUP_NAME_MAX 256

/**
 * wall_cgroup_name() - The name for a wall that this process is to supervise
 * @outer:	Name of the wall around this one, NULL if there is none
 * @name:	Filled on success
 * @size:	Room in @name
 * @e:		Error
 *
 * Return: 0, or -errno if the process's start time cannot be read
 */
int wall_cgroup_name(const char *outer, char *name, size_t size, struct hy_err *e);

/**
 * wall_cgroup_remove() - Remove a wall's cgroups when all that was inside is dead
 * @name:	Of the wall; walls inside it included
 * @e:		Names the cgroup that stayed
 *
 * Kills nothing. Waits a little, since a cgroup counts as busy for a moment after its last process.
 *
 * Return: 0 also where there were none, -errno of the first that could not be removed
 */
int wall_cgroup_remove(const char *name, struct hy_err *e);

/**
 * wall_cgroup_sweep() - Remove the cgroups of walls whose supervisor is dead
 * @removed:	Counts the directories removed from the hierarchies' mount points
 * @e:		Names the cgroup that stayed
 *
 * Only for use outside a wall: inside, the supervisors of other walls cannot be seen.
 *
 * Return: 0, -errno of the first that could not be removed
 */
int wall_cgroup_sweep(unsigned int *removed, struct hy_err *e);

#endif
