/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wall.h - run a command walled off from the machine: nothing it makes outlives it
 *
 * Runs in: hylics
 * Reads from: no untrusted input
 *
 * DOC: The wall
 *
 * hylics (supervisor)           outside: hands signals on, removes the cgroups at the end
 *   `- hylics-wall (process 1)  inside new pid, mount, network, IPC and UTS namespaces: mounts
 *      `- the command           what is private, reaps orphans, ends with the command
 *
 * Whichever of the three dies, and however: process 1 ends (by PR_SET_PDEATHSIG if it was the
 * supervisor), the kernel kills every process of its namespace, and mounts and interfaces go with
 * their namespaces. Cgroups outlive a supervisor that is killed by SIGKILL; the next start, or
 * "hylics lab sweep", removes them.
 *
 * Inside, HYLICS_LAB_WALL is 1 and HYLICS_LAB_CGROUP names the directory that the wall's cgroups
 * belong into, at the mount point of whichever hierarchy is used.
 */
#ifndef HY_WALL_H
#define HY_WALL_H

#include <stdbool.h>

#include "common/err.h"

/**
 * wall_run() - Run a command inside the wall and wait for its end
 * @argv:	The command, NULL at the end; looked up in PATH
 * @e:		Set if the command has not run
 *
 * If a signal that was meant to end this process has ended the command, this process ends by the
 * same signal and the function does not return.
 *
 * Return: the command's exit code, 128 + signal if one ended it, with @e not set; else one of enum
 * hy_exit with @e set, HY_EXIT_SKIPPED where the right to make namespaces is missing
 */
int wall_run(char *const argv[], struct hy_err *e);

/**
 * wall_inside() - Whether this process is already inside a wall
 *
 * Return: true if so
 */
bool wall_inside(void);

#endif
