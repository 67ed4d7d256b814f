/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fork.c - fork() into new namespaces
 *
 * Runs in: hylics, hylics-keeper, hylics-agent
 * Reads from: no untrusted input
 */
#include "common/fork.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

pid_t hy_fork_into(unsigned long spaces)
{
	if (!spaces)
		return fork();
	return (pid_t)syscall(SYS_clone, spaces | SIGCHLD, NULL, NULL, NULL, NULL);
}
