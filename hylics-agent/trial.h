/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trial.h - what a plain byte and a move cost this machine, tried once when the agent starts
 *
 * Runs in: hylics-agent, in the holder
 * Reads from: no untrusted input; who connects in between ends the trial
 *
 * One connection over the loopback interface: a file in memory is sent on it, then it is taken out
 * of its socket and put back as a move does it. No frame leaves the machine. There is no NIC in
 * this and no other process, so both costs are a floor of the real ones.
 */
#ifndef AGENT_TRIAL_H
#define AGENT_TRIAL_H

#include <stdint.h>

#include "common/err.h"

struct trial {
	uint64_t bytes, plain_ns;	/* sent, and the CPU time of sendfile() for them */
	uint64_t moves, move_ns;	/* tried, and the CPU time of the kernel's part of them */
};

/**
 * trial_run() - Try it
 * @t:	Set as far as it came: what is 0 could not be tried
 * @e:	Error
 *
 * Takes at most HY_TRIAL_CPU_MS of CPU time, and HY_TRIAL_WAIT_MS; leaves no TIME_WAIT.
 *
 * Return: 0, -errno: @t may have one half
 */
int trial_run(struct trial *t, struct hy_err *e);

#endif
