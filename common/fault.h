/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fault.h - named steps at which a test can kill, stop, delay or fail a process
 *
 * Runs in: every daemon, in builds with -Dfaults=true
 * Reads from: the environment of whoever started the process
 *
 * HYLICS_FAULT=STEP:ACTION[:COUNT] acts once, at the COUNTth time (default: the first) the process
 * comes to STEP. Actions: kill, stop, fail, drop, delay-MS. Steps are listed here only; the test
 * of steps (tests/system/test_faults.py) walks this table and fails for a step it does not know.
 */
#ifndef HY_FAULT_H
#define HY_FAULT_H

#include <stdbool.h>

#define HY_FAULT_STEPS(X)                                                                          \
	X(FAULT_CHAN_OPEN, "chan.open", "before a transport is opened")                            \
	X(FAULT_CHAN_GREET, "chan.greet", "stream open, hello queued")                             \
	X(FAULT_CHAN_UP, "chan.up", "both sides have seen each other")                             \
	X(FAULT_CHAN_HALF_FRAME, "chan.half-frame", "half of a frame is written")                  \
	X(FAULT_PING_ANSWERED, "ping.answered", "the worker has taken a pong")                     \
	X(FAULT_SOAK_MIDDLE, "soak.middle", "in the middle of a bulk message")

#define X(step, name, what) step,
enum hy_fault_step { HY_FAULT_STEPS(X) FAULT_STEPS };
#undef X

#ifdef HY_FAULTS
/**
 * hy_fault() - Come to a step
 * @step:	Which
 *
 * Return: 0 to go on, -EIO to fail as if the step itself had, -ECANCELED to leave it out
 */
int hy_fault(enum hy_fault_step step);

/* Whether hy_fault() would act now; does not count. */
bool hy_fault_due(enum hy_fault_step step);

/**
 * hy_fault_init() - Read HYLICS_FAULT
 *
 * Return: NULL, or what is wrong with it, as a constant
 */
const char *hy_fault_init(void);
#else
static inline int hy_fault(enum hy_fault_step step) { (void)step; return 0; }
static inline bool hy_fault_due(enum hy_fault_step step) { (void)step; return false; }
static inline const char *hy_fault_init(void) { return 0; }
#endif

#endif
