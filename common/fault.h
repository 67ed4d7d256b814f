/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fault.h - named steps at which a test can kill, stop, delay or fail a process
 *
 * Runs in: every daemon, in builds with -Dfaults=true
 * Reads from: the environment of whoever started the process
 *
 * HYLICS_FAULT=STEP:ACTION[:COUNT] acts once, at the COUNTth time (default: the first) the process
 * comes to STEP; several such orders have commas between them. Actions: kill, stop, fail, drop,
 * delay-MS. Steps are listed here only; the test of steps (tests/system/test_faults.py) walks this
 * table and fails for a step it does not know.
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
	X(FAULT_SOAK_MIDDLE, "soak.middle", "in the middle of a bulk message")                     \
	X(FAULT_MOVE_RESTORE, "move.restore", "before the worker makes a copy")                    \
	X(FAULT_MOVE_KEEP, "move.keep", "copy made and silent, before the keeper gets it")         \
	X(FAULT_MOVE_LIVE, "move.live", "before the copy speaks")                                  \
	X(FAULT_MOVE_ADOPTED, "move.adopted", "copy speaks, before the guest is told")             \
	X(FAULT_SEND_FIRST, "send.first", "before the first byte of the first item")               \
	X(FAULT_SEND_MIDDLE, "send.middle", "a slice is sent in part")                             \
	X(FAULT_UP_SENT, "up.sent", "bytes of the client are on their way to the guest")           \
	X(FAULT_UP_TAKEN, "up.taken", "the guest has them, and they are read out of the copy")     \
	X(FAULT_HOME_FREEZE, "home.freeze", "before a copy is frozen")                             \
	X(FAULT_HOME_OFFER, "home.offer", "copy dumped, before it is offered")                     \
	X(FAULT_HOME_CLOSE, "home.close", "the guest has it, before the copy is closed")           \
	X(FAULT_HOME_DONE, "home.done", "copy closed, before the guest is told")                   \
	X(FAULT_RESUME_ANSWER, "resume.answer", "before a resume is answered")                     \
	X(FAULT_MOVE_DRAIN, "move.drain", "too much is in flight, before it is waited for")        \
	X(FAULT_MOVE_FREEZE, "move.freeze", "before the agent freezes a connection")               \
	X(FAULT_MOVE_DUMP, "move.dump", "frozen, before it is dumped")                             \
	X(FAULT_MOVE_OFFER, "move.offer", "dumped, before it is offered")                          \
	X(FAULT_MOVE_SILENCE, "move.silence", "before the kept socket is silenced")                \
	X(FAULT_PAIR_SENT, "pair.sent", "before an item is on its way to the host")                \
	X(FAULT_PAIR_TAKE, "pair.take", "before what was sent is taken out of the pair")           \
	X(FAULT_GROW_TOLD, "grow.told", "the host knows what was added to a marker")               \
	X(FAULT_GROW_CLOSE, "grow.close", "no more is added to a marker, before it is taken")      \
	X(FAULT_HOME_REBUILD, "home.rebuild", "before the kept socket is rebuilt")                 \
	X(FAULT_HOME_TAKEN, "home.taken", "rebuilt or refused, before the host is told")           \
	X(FAULT_HOME_LIVE, "home.live", "before the kept socket speaks again")                     \
	X(FAULT_GIVE_BACK, "give.back", "before a program gets its socket back")                   \
	X(FAULT_UP_DELIVER, "up.deliver", "the client's bytes are in the pair, not yet noted")     \
	X(FAULT_RESUME_ASK, "resume.ask", "before the host is asked about a connection")           \
	X(FAULT_SHARE_MOUNT, "share.mount", "a process has begun, before it mounts the share")     \
	X(FAULT_VM_MAKE, "vm.make", "before a piece of a VM is made")                              \
	X(FAULT_VM_UNMAKE, "vm.unmake", "before a piece of a VM is taken away")                    \
	X(FAULT_VM_RECORD, "vm.record", "before a VM's record is written or removed")              \
	X(FAULT_VM_PAGES, "vm.pages", "in a job: before a file goes out or in, or a limit rises") \
	X(FAULT_TEND_OUT, "tend.out", "a tender: before an idle file goes out")                    \
	X(FAULT_TEND_IN, "tend.in", "a tender: before a piece of an opened file comes back")       \
	X(FAULT_TEND_LIMIT, "tend.limit", "a tender: before a limit, or a step of it, is set")     \
	X(FAULT_VM_SWAP, "vm.swap", "in a job: before the swap file is made or removed")

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

/* Whether this process, or one it starts, is to act at a step. */
bool hy_fault_ordered(void);

/**
 * hy_fault_init() - Read HYLICS_FAULT
 *
 * Return: NULL, or what is wrong with it, as a constant
 */
const char *hy_fault_init(void);
#else
static inline int hy_fault(enum hy_fault_step step) { (void)step; return 0; }
static inline bool hy_fault_due(enum hy_fault_step step) { (void)step; return false; }
static inline bool hy_fault_ordered(void) { return false; }
static inline const char *hy_fault_init(void) { return 0; }
#endif

#endif
