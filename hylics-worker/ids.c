/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ids.c - finds the row of a fixed table by the number its guest gave it
 *
 * Runs in: hylics-worker
 * Reads from: the guest (hostile): the numbers may be any
 */
#include "hylics-worker/ids.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/own.h"

int ids_open(struct ids *x, uint32_t rows, struct hy_err *e)
{
	*x = (struct ids){ .shift = 64 - (unsigned int)__builtin_ctz(rows) };
	if (getrandom(&x->factor, sizeof(x->factor), 0) != sizeof(x->factor))
		return hy_err_set(e, errno, "random number");
	x->factor |= 1;
	x->bucket = calloc(rows, sizeof(*x->bucket));
	x->next = calloc(rows, sizeof(*x->next));
	x->id = calloc(rows, sizeof(*x->id));
	if (!x->bucket || !x->next || !x->id) {
		ids_close(x);
		return hy_err_set(e, ENOMEM, "index of %u rows", rows);
	}
	return 0;
}

void ids_close(struct ids *x)
{
	hy_mem_free(&x->bucket);
	hy_mem_free(&x->next);
	hy_mem_free(&x->id);
}

static uint32_t *bucket_of(const struct ids *x, uint32_t id)
{
	return &x->bucket[id * x->factor >> x->shift];
}

uint32_t ids_find(const struct ids *x, uint32_t id)
{
	uint32_t at = *bucket_of(x, id);

	while (at && x->id[at - 1] != id)
		at = x->next[at - 1];
	return at - 1;		/* 0 becomes IDS_NONE */
}

void ids_add(struct ids *x, uint32_t id, uint32_t row)
{
	uint32_t *first = bucket_of(x, id);

	x->id[row] = id;
	x->next[row] = *first;
	*first = row + 1;
}

void ids_remove(struct ids *x, uint32_t id)
{
	uint32_t *at = bucket_of(x, id);

	while (*at && x->id[*at - 1] != id)
		at = &x->next[*at - 1];
	if (*at)
		*at = x->next[*at - 1];
}
