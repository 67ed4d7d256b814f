/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lib_agent.h - the agent of lib_world.h: its process
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#ifndef HY_LIB_AGENT_TEST_H
#define HY_LIB_AGENT_TEST_H

#include "tests/unit/lib_world.h"

/* Serves until it is killed, or dies at a step. */
_Noreturn void agent_run(const struct world *w, int listener);

#endif
