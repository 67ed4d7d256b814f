/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * decimal.h - numbers with a point, from text
 *
 * Runs in: hylicsd, lab
 * Reads from: files of the operator, command lines
 */
#ifndef HY_DECIMAL_H
#define HY_DECIMAL_H

#include <stddef.h>

#define HY_DECIMAL_MAX 32	/* bytes of one; the longest with sense has 24 */

/**
 * hy_decimal() - Parse a number: digits, perhaps a point and digits, perhaps an exponent
 * @text:	From a file; "-1.5e-3" is one; "+1", ".5", "1.", "0x1", "inf", "nan", " 1" are none
 * @min:	Bounds, both of which may be the number
 * @max:	Likewise
 * @out:	Set on success, to what is finite
 * @why:	Filled on failure: "must be from 0 to 1"
 * @size:	Room in @why
 *
 * Return: 0, -EINVAL
 */
int hy_decimal(const char *text, double min, double max, double *out, char *why, size_t size);

#endif
