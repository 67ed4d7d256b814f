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
uint64_t hy_clock_cpu_ns(void);	/* what the calling thread has used; a system call */

#endif
