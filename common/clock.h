/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * clock.h - the clocks in the units the project uses
 *
 * Runs in: every program
 * Reads from: no untrusted input
 */
#ifndef HY_CLOCK_H
#define HY_CLOCK_H

#include <stdint.h>

#define HY_NS_PER_MS 1000000u
#define HY_NS_PER_S 1000000000u

uint64_t hy_clock_ns(void);	/* since boot, never goes back */
uint64_t hy_clock_ms(void);
uint64_t hy_clock_wall_ms(void);	/* since 1970: to be shown, never to be waited by */
uint64_t hy_clock_cpu_ns(void);	/* what the calling thread has used; a system call */

/**
 * hy_clock_pause() - How long to wait before what failed is tried again
 * @last_ms:	What it was the last time, 0: the first time
 * @min_ms:	The first pause
 * @max_ms:	The longest
 *
 * Return: twice the last one, within these
 */
uint64_t hy_clock_pause(uint64_t last_ms, uint64_t min_ms, uint64_t max_ms);

#endif
