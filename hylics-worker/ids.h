/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ids.h - finds the row of a fixed table by the number its guest gave it
 *
 * Runs in: hylics-worker
 * Reads from: the guest (hostile): the numbers may be any
 *
 * Rows hang in buckets; which number falls into which bucket depends on a random factor, so that a
 * guest cannot choose numbers that all fall into one.
 */
#ifndef WORKER_IDS_H
#define WORKER_IDS_H

#include <stdint.h>

#include "common/err.h"

#define IDS_NONE UINT32_MAX

struct ids {
	uint64_t factor;		/* random and odd */
	unsigned int shift;		/* 64 - log2(buckets) */
	uint32_t *bucket;		/* first row + 1, 0: none */
	uint32_t *next;			/* by row: the next one + 1 */
	uint32_t *id;			/* by row */
};

/**
 * ids_open() - Make an empty index
 * @x:		Filled
 * @rows:	Of the table, a power of two
 * @e:		Error
 */
int ids_open(struct ids *x, uint32_t rows, struct hy_err *e);
void ids_close(struct ids *x);

uint32_t ids_find(const struct ids *x, uint32_t id);	/* IDS_NONE: no such row */
void ids_add(struct ids *x, uint32_t id, uint32_t row);	/* @id is not there yet */
void ids_remove(struct ids *x, uint32_t id);

#endif
