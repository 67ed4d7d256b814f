/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.h - a QEMU in the foreground: started, ended cleanly, its guest's exit code
 *
 * Runs in: hylics
 * Reads from: guest (hostile): a few bytes at the port that tells how a command ended; QEMU
 *
 * DOC: States
 *
 * running	Signals are awaited, and what the guest tells.
 * asked	The power button is pushed; the guest has RUN_GRACE_MS to shut down. Left out if it
 *		has no disk, and so nothing to lose.
 * ending	QEMU is told to end at once, and has KILL_MS.
 * killed	It has SIGKILL.
 *
 * A signal, the guest's exit code or the end of a time leads to the next state; the end of QEMU
 * ends all of them. A terminal's signals come to all of its processes, so QEMU has SIGINT blocked:
 * it would not wait for its guest. It dies with its starter, however that dies.
 */
#ifndef HY_CLI_RUN_H
#define HY_CLI_RUN_H

#include <stdbool.h>

#include "cli/qemu_args.h"

#define RUN_GRACE_MS 30000	/* a guest that shuts down ends its services first */

struct run_spec {
	const struct qemu_args *args;
	const struct qemu_fds *fds;	/* QEMU inherits them */
	unsigned int n_taps;
	int lock;			/* says that the VM runs; QEMU inherits it */
	int qmp, result;		/* the other ends; result -1: no command was given */
	bool gently;			/* the guest has something to lose */
};

/**
 * run_vm() - Run QEMU until it ends
 * @s:	What to run; its descriptors stay the caller's
 * @e:	Error: ENOPKG if there is no such program
 *
 * Return: exit code: the guest's command's; 128 and the number of the signal that ended it before;
 * without a command HY_EXIT_OK however it was ended; HY_EXIT_FAILED with @e set
 */
int run_vm(const struct run_spec *s, struct hy_err *e);

#endif
