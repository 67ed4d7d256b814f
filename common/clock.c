/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * clock.c - the clocks in the units the project uses
 *
 * Runs in: every program
 * Reads from: no untrusted input
 */
#include "common/clock.h"

#include <time.h>

/* syscalls: clock_gettime */
static uint64_t read_ns(clockid_t clock)
{
	struct timespec now = { 0 };

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * HY_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t hy_clock_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

uint64_t hy_clock_cpu_ns(void)
{
	return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* The coarse clock: no system call, whatever the machine's clock is. */
uint64_t hy_clock_wall_ms(void)
{
	return read_ns(CLOCK_REALTIME_COARSE) / HY_NS_PER_MS;
}

uint64_t hy_clock_ms(void)
{
	return hy_clock_ns() / HY_NS_PER_MS;
}

uint64_t hy_clock_pause(uint64_t last_ms, uint64_t min_ms, uint64_t max_ms)
{
	if (!last_ms)
		return min_ms;
	return last_ms < max_ms / 2 ? last_ms * 2 : max_ms;
}
