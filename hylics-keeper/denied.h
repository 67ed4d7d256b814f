/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * denied.h - the system calls a module's program may not make
 *
 * Runs in: hylics-keeper
 * Reads from: no untrusted input
 *
 * A foreign program may need any of the others, so this is a list of what is refused, with EPERM,
 * and the program goes on. What is on it reaches beyond the program's own files and connections:
 * mounts, namespaces, other processes, BPF, keys, the machine's clocks and power; or much of the
 * kernel for little use: io_uring, user faults, and sockets of other families than unix and IP.
 */
#ifndef HY_KEEPER_DENIED_H
#define HY_KEEPER_DENIED_H

#include "common/err.h"

/* From here on, for this process and all it starts. */
int denied_seal(struct hy_err *e);

#endif
