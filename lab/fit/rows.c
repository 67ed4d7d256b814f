/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rows.c - two columns of numbers, from a stream
 *
 * Runs in: hylics-fit
 * Reads from: its standard input, which an experiment wrote
 */
#include "lab/fit/rows.h"

#include <errno.h>
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "common/decimal.h"
#include "common/own.h"

#define WHY_MAX 128
#define ROOM_FIRST 256

static int grow(struct rows *r, size_t *room)
{
	size_t more = *room ? 2 * *room : ROOM_FIRST;
	double *first = realloc(r->first, more * sizeof(*first)), *second;

	if (!first)
		return -ENOMEM;
	r->first = first;
	second = realloc(r->second, more * sizeof(*second));
	if (!second)
		return -ENOMEM;
	r->second = second;
	*room = more;
	return 0;
}

/* Cuts the line into its two numbers. */
static int read_line(char *line, double *first, double *second, char *why, size_t size)
{
	char *blank;

	line[strcspn(line, "\n")] = '\0';
	blank = strchr(line, ' ');
	if (!blank) {
		snprintf(why, size, "must be two numbers with a blank between them");
		return -EINVAL;
	}
	*blank = '\0';
	if (hy_decimal(line, -DBL_MAX, DBL_MAX, first, why, size) < 0)
		return -EINVAL;
	return hy_decimal(blank + 1, -DBL_MAX, DBL_MAX, second, why, size);
}

static int add(struct rows *r, size_t *room, char *line, struct hy_err *e)
{
	char why[WHY_MAX];

	if (r->n == ROWS_MAX)
		return hy_err_usage(e, NULL, "more than %d lines", ROWS_MAX);
	if (r->n == *room && grow(r, room) < 0)
		return hy_err_set(e, ENOMEM, "line %zu", r->n + 1);
	if (read_line(line, &r->first[r->n], &r->second[r->n], why, sizeof(why)) < 0)
		return hy_err_usage(e, NULL, "line %zu: %s", r->n + 1, why);
	r->n++;
	return 0;
}

int rows_read(FILE *f, struct rows *r, struct hy_err *e)
{
	hy_autofree char *line = NULL;
	size_t size = 0, room = 0;
	int rc = 0;

	while (rc == 0 && getline(&line, &size, f) >= 0)
		rc = add(r, &room, line, e);
	if (rc == 0 && ferror(f))
		return hy_err_set(e, errno, "standard input");
	return rc;
}

void rows_free(struct rows *r)
{
	free(r->first);
	free(r->second);
	*r = (struct rows){ 0 };
}
