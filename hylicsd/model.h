/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model.h - what is known of a job before it runs here: a file that `hylics lab run identify` wrote
 *
 * Runs in: hylicsd
 * Reads from: files of the operator, which may be cut, edited or of another job
 *
 *	# written by hylics lab run identify
 *	[model]
 *	job = pigz			the name its marks have
 *	a = 0.41			s; service time at memory m MB: a + b / (m + c)
 *	b = 52.5			s MB
 *	c = 12.0			MB
 *	r2 = 0.98			how well that fits
 *	from = 16			MB: where it was measured
 *	to = 256
 *	runs = 900
 *	na = 1				order of what is learnt while it runs
 *	nb = 0
 *	version = 1			the last line: a file that was cut lacks it
 *
 * Every key must be there, once. How well the curve fits is not judged here: who uses a model looks
 * at its r2.
 */
#ifndef HYLICSD_MODEL_H
#define HYLICSD_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/limits.h"
#include "control/curve.h"
#include "control/rls.h"

#define MODEL_VERSION 1

struct model {
	char job[HY_NAME_MAX + 1];
	struct curve curve;
	double from, to;		/* MB */
	uint64_t runs;
	struct rls_order order;
};

/**
 * model_read() - Read and check the bytes of a file
 * @bytes:	As they are in the file; not believed
 * @len:	How many
 * @file:	Its name, for errors
 * @m:		Untouched on failure
 * @e:		Error: names the file, and the line or key at fault
 *
 * Return: 0, -EINVAL, -ENOMEM
 */
int model_read(const char *bytes, size_t len, const char *file, struct model *m,
	       struct hy_err *e);

/**
 * model_load() - Read and check a file
 * @path:	Absolute
 * @m:		Untouched on failure
 * @e:		Error: names the file, and the line or key at fault
 *
 * Return: 0, -ENOENT, -EINVAL, or -errno
 */
int model_load(const char *path, struct model *m, struct hy_err *e);

#endif
