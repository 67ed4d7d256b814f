/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * value.h - numbers with units, as options, rules and control commands write them
 *
 * Runs in: hylics-wire
 * Reads from: whoever started the program or may open its control socket; strict
 */
#ifndef WIRE_VALUE_H
#define WIRE_VALUE_H

#include <stdint.h>

/* Each returns 0, or -EINVAL for any other spelling, -ERANGE past its maximum. */

/* "0.5%": parts in 1000 million, at most seven digits after the point; 0..100%. */
int value_percent(const char *text, uint32_t *parts);

/* "20ms", "1.5ms", "300us", "2s": nanoseconds, at most WIRE_TIME_MAX_NS. */
int value_time(const char *text, uint64_t *ns);

/* "100mbit", "64kbit", "1.5gbit", "9600bit": bits per second, decimal units, at most 1000 Gbit/s;
 * "0bit" means no limit. */
int value_rate(const char *text, uint64_t *bits);

/* "17": at most @max. */
int value_count(const char *text, uint64_t max, uint64_t *count);

#endif
