/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * parts.h - what the parts of a scene have of each other
 *
 * Runs in: the tests of the agent
 * Reads from: no untrusted input
 */
#ifndef HY_TESTS_AGENT_PARTS_H
#define HY_TESTS_AGENT_PARTS_H

#include "tests/agent/scene.h"

extern const struct chan_ops worker_ops;

/* Read what client and program can, and judge it. */
void player_read(struct player *p, unsigned int k);

/* Index of the first byte that is not what the program said from @pos on; -1: all are right. */
ssize_t player_judge(const struct player *p, const uint8_t *bytes, size_t len, uint64_t pos);

#endif
