/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tally.h - counts, for the agent, the calls that stayed plain
 *
 * Runs in: programs in a guest
 * Reads from: no untrusted input
 *
 * There is something to count in only while an agent is joined, and in a forked child only when
 * that has joined itself: until then nothing is counted. A count makes no system call.
 */
#ifndef HY_LIB_TALLY_H
#define HY_LIB_TALLY_H

#include "libhylics/slice.h"

/**
 * tally_plain() - A call stayed plain
 * @sock:	Number
 * @reason:	Not MOVE_DONE
 * @s:		Its example: file, offset and len are what the call was for
 */
void tally_plain(int sock, enum move_reason reason, const struct slice *s);

/**
 * tally_join() - Count in this memory from here on
 * @memfd:	From the agent; stays the caller's. -1: in none
 *
 * One that could shrink, or speaks another language, is not taken: nothing else depends on it.
 */
void tally_join(int memfd);

#endif
