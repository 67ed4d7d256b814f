/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * clock.c - the monotonic clock in the two units the project uses
 *
 * Runs in: every program
 * Reads from: no untrusted input
 */
#include "common/clock.h"

#include <time.h>

uint64_t hy_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * HY_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t hy_clock_ms(void)
{
	return hy_clock_ns() / HY_NS_PER_MS;
}
