/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keeper.h - the words a VM's hylics-keeper is started with
 *
 * Runs in: hylicsd
 * Reads from: records, the configuration; RUN/vm/NAME/keeper.words, which only root writes
 *
 * The words say all that a keeper knows of its VM. Those of the one that runs lie in a file beside
 * its mark, so that a hylicsd that takes it over can tell whether the record has changed since.
 */
#ifndef HYLICSD_KEEPER_H
#define HYLICSD_KEEPER_H

#include "hylicsd/config.h"
#include "hylicsd/record.h"

#define KEEPER_WORDS_MAX 40
#define KEEPER_BYTES_MAX 16384

struct keeper_words {
	char *argv[KEEPER_WORDS_MAX + 1];	/* point into bytes; NULL at the end */
	unsigned int n;
	char bytes[KEEPER_BYTES_MAX];
	size_t len;
};

/* Where a VM's things are, for its keeper and worker. */
struct keeper_places {
	const char *channel;		/* socket that QEMU makes */
	const char *share;
	const char *stats;		/* file for the worker's counters */
	const char *moving;		/* see common/moving.h */
	const char *modules;		/* names of those it may use, a line each */
	const char *modules_state;	/* file for how they are */
};

/**
 * keeper_words() - Make them
 * @w:		Filled
 * @c:		Configuration
 * @r:		Record
 * @p:		Places
 * @e:		Error
 *
 * Return: 0, -E2BIG
 */
int keeper_words(struct keeper_words *w, const struct config *c, const struct record *r,
		 const struct keeper_places *p, struct hy_err *e);

/**
 * keeper_save() - Write down what the next keeper is started with
 * @w:		Words
 * @dir:	Of the VM
 * @e:		Error
 */
int keeper_save(const struct keeper_words *w, int dir, struct hy_err *e);

/* Whether the keeper that runs was started with these. */
bool keeper_same(const struct keeper_words *w, int dir);

#endif
