/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * range.h - a size, or a range of sizes of which each request draws one
 *
 * Runs in: hylics-talk client
 * Reads from: the command line
 */
#ifndef TALK_RANGE_H
#define TALK_RANGE_H

#include <stdint.h>

#include "common/err.h"

struct range {
	uint64_t low, high;
};

/**
 * range_parse() - "4K" or "1-64K"
 * @r:		Filled on success
 * @text:	Sizes as hy_opt_size() reads them
 * @option:	Named in the error
 * @e:		Error
 *
 * Return: 0, -EINVAL
 */
int range_parse(struct range *r, const char *text, const char *option, struct hy_err *e);

/**
 * range_draw() - One size of a range
 * @r:		The range
 * @chance:	64 bits of chance; the same ones draw the same size
 */
uint64_t range_draw(const struct range *r, uint64_t chance);

#endif
