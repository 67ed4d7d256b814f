/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * count.h - what a worker counts, and the file in which it shows it
 *
 * Runs in: hylics-worker
 * Reads from: no untrusted input
 */
#ifndef WORKER_COUNT_H
#define WORKER_COUNT_H

#include <stdint.h>
#include <stdio.h>

#include "common/hist.h"
#include "proto/reason.h"

/* name, what */
#define WORKER_COUNTERS(X)                                                                         \
	X(offered, "connections the guest offered")                                                \
	X(moved, "of them adopted")                                                                \
	X(homed, "gone home")                                                                      \
	X(home_failed, "stayed, although they were to go home")                                    \
	X(resumed, "found again after a new session")                                              \
	X(unknown, "asked for after a new session and not there")                                  \
	X(inherited, "taken over from a worker that died")                                         \
	X(closed, "ended as the program asked")                                                    \
	X(reset_by_program, "reset because the program closed with bytes unread")                  \
	X(reset_by_client, "reset by the client")                                                  \
	X(timed_out, "given up by the kernel")                                                     \
	X(reset_by_us, "reset because nothing else was right")                                     \
	X(live, "there now")                                                                       \
	X(coming, "there now, their queues on the way")                                            \
	X(moving, "0: they may come; else all go home: 1 for a while, 2 the operator wants none")  \
	X(files, "files open now")                                                                 \
	X(files_opened, "files opened")                                                            \
	X(files_refused, "files that could not be opened")                                         \
	X(bytes_file, "bytes sent from files")                                                     \
	X(bytes_plain, "bytes sent that came over the channel")                                    \
	X(bytes_up, "bytes of clients that the guest has taken")                                   \
	X(options, "options of copies that programs have set")                                     \
	X(items, "items accepted")                                                                 \
	X(bytes_promised, "bytes of files in them")                                                \
	X(items_skipped, "items that the copy had already")                                        \
	X(items_dropped, "items out of place, or for what is not there")                           \
	X(stuck, "slices that could not be read")                                                  \
	X(faults, "connections reset because of what the guest sent")                              \
	X(rounds, "rounds of the loop that worked on connections")                                 \
	X(late, "segments that clients had sent in the middle of a move, given to the copy")       \
	X(late_own, "of them those that came to the copy itself, before it was the owner")         \
	X(late_home, "sent home, where the guest's socket is given them")                          \
	X(late_dropped, "not given: they were no such segments, or there is no copy")              \
	X(casts, "parts of files sent as datagrams")                                               \
	X(cast_bytes, "bytes of them that were sent")                                              \
	X(casts_refused, "of the guest's wishes for one those that were not done")                 \
	X(turns, "turns of sending")                                                               \
	X(wakes, "events of sockets")                                                              \
	X(told, "what the guest told of itself; sessions begun and ended")

struct counters {
#define X(name, what) uint64_t name;
	WORKER_COUNTERS(X)
#undef X
	uint64_t refused[MOVE_REASONS];	/* by enum move_reason */
};

/* What a move to the host takes, in ns: name, what. "From" is where the one above it ends. */
#define WORKER_STAGES(X)                                                                           \
	X(collect, "the offer was read, until a long queue's rest is there; short ones have none") \
	X(restore, "until a socket has the connection, frozen")                                    \
	X(keep, "from there until it is watched, and the keeper has it")                           \
	X(live, "from there until it speaks")                                                      \
	X(first, "from there until a byte of an item is in its send queue")                        \
	X(kernel, "restore and live together")                                                     \
	X(whole, "the offer was read, until that first byte")

struct stages {
#define X(name, what) struct hy_hist name;
	WORKER_STAGES(X)
#undef X
};

/* The members of a JSON object, without what encloses it. */
void counters_print(const struct counters *c, const struct stages *s, FILE *f);

#endif
