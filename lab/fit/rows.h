/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rows.h - two columns of numbers, from a stream
 *
 * Runs in: hylics-fit
 * Reads from: its standard input, which an experiment wrote
 */
#ifndef FIT_ROWS_H
#define FIT_ROWS_H

#include <stddef.h>
#include <stdio.h>

#include "common/err.h"

#define ROWS_MAX 100000

struct rows {
	size_t n;
	double *first, *second;		/* freed by rows_free() */
};

/**
 * rows_read() - Read lines of two decimals with a blank between them, to the end
 * @f:		Stream
 * @r:		Zeroed; to be freed on failure, too
 * @e:		Error: names the line
 *
 * Return: 0, -EINVAL, -ENOMEM, or the stream's -errno
 */
int rows_read(FILE *f, struct rows *r, struct hy_err *e);

/* What was read goes, also half of it. */
void rows_free(struct rows *r);

#endif
