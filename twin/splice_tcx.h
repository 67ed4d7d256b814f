/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice_tcx.h - BPF programs at an interface without a qdisc, by links (Linux 6.6 and later)
 *
 * Runs in: hylicsd (root, in the host's network namespace)
 * Reads from: the kernel's answers
 *
 * DOC: Why two ways
 *
 * A program can be hung up as a filter of a clsact qdisc, on any kernel, or by a tcx link. Making
 * or removing a clsact qdisc loses the frames that leave the interface at that moment (the kernel
 * deactivates its queues), whoever else has put an "ingress" qdisc there is in the way, and what
 * we put there is in his. A link does none of that, runs before all filters, and ends with the
 * last descriptor of it, so that nothing is left of a process that was killed.
 */
#ifndef HY_SPLICE_TCX_H
#define HY_SPLICE_TCX_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * tcx_link() - Hang a program at an interface, before those that are there
 * @ifindex:	Of the interface
 * @egress:	For what leaves it, or else for what comes in
 * @prog_fd:	The program
 * @e:		Error
 *
 * Return: a descriptor of the link, -EOPNOTSUPP before Linux 6.6, another -errno
 */
int tcx_link(unsigned int ifindex, bool egress, int prog_fd, struct hy_err *e);

/**
 * tcx_unlink() - Take the program away, whoever else holds a descriptor of its link
 * @link:	From tcx_link(), or below 0; closed and set to -1
 */
void tcx_unlink(int *link);

/* Does a program of this name, shorter than BPF_OBJ_NAME_LEN, hang there? */
bool tcx_has(unsigned int ifindex, bool egress, const char *name);

/* Take the programs of this name away, whoever holds their links. Return: how many they were */
unsigned int tcx_sweep(unsigned int ifindex, bool egress, const char *name);

#endif
