/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * count.h - what an agent counts, and how it shows it
 *
 * Runs in: hylics-agent
 * Reads from: no untrusted input
 */
#ifndef AGENT_COUNT_H
#define AGENT_COUNT_H

#include <stdint.h>
#include <stdio.h>

#include "common/hist.h"
#include "proto/reason.h"

/* name, what */
#define AGENT_COUNTERS(X)                                                                          \
	X(moved, "connections the host has adopted")                                               \
	X(homes, "come home")                                                                      \
	X(given_back, "gone back to their programs")                                               \
	X(resets, "reset because nothing else was right")                                          \
	X(slices, "pieces of files that programs sent")                                            \
	X(grown, "of them what was added to a marker in the pair")                                 \
	X(plain_bytes, "bytes that programs wrote")                                                \
	X(inline_bytes, "bytes of files that were read here")                                      \
	X(up_bytes, "bytes of clients that programs have")                                         \
	X(options, "options that programs have set")                                               \
	X(late, "segments that came in the middle of a move, sent to the host")                    \
	X(late_home, "given to the connection's own socket, which did not hear them")

struct agent_counters {
#define X(name, what) uint64_t name;
	AGENT_COUNTERS(X)
#undef X
	uint64_t refused[MOVE_REASONS];	/* by enum move_reason */
};

/* What a move to the host takes, in ns: name, what. "From" is where the one above it ends. */
#define AGENT_STAGES(X)                                                                            \
	X(take, "agent.sock was read, until nothing stands against the move")                      \
	X(freeze, "from there until it is frozen")                                                 \
	X(dump, "from there until its state is known")                                             \
	X(offer, "from there until offer and first items are written")                             \
	X(answer, "from there until the host's yes is read")                                       \
	X(kernel, "freeze and dump together")                                                      \
	X(whole, "agent.sock was read, until offer and first items are written")

struct agent_stages {
#define X(name, what) struct hy_hist name;
	AGENT_STAGES(X)
#undef X
};

/* One JSON object on one line. */
void agent_counters_print(const struct agent_counters *c, const struct agent_stages *s, FILE *f);

#endif
