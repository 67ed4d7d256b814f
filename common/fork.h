/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fork.h - fork() into new namespaces
 *
 * Runs in: hylics, hylics-keeper, hylics-agent
 * Reads from: no untrusted input
 */
#ifndef HY_FORK_H
#define HY_FORK_H

#include <sys/types.h>

/**
 * hy_fork_into() - fork() with new namespaces for the child
 * @spaces:	CLONE_NEW...; 0: it is fork()
 *
 * For a process with one thread. With namespaces the C library does not know of the new process
 * before exec: it may call what it likes but raise().
 *
 * Return: as fork()
 */
pid_t hy_fork_into(unsigned long spaces);

#endif
