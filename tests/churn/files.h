/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * files.h - files each byte of which is known: what they are to hold, and whether they do
 *
 * Runs in: tests/churn/churn, on the host or in a guest
 * Reads from: files of the test's own
 *
 * A file is a row of cells. A cell is zeros, or has a generation: its bytes then tell the file, the
 * place and the generation. What was written is kept here, outside the share, cell by cell; who
 * finds anything else has found wrong bytes.
 */
#ifndef CHURN_FILES_H
#define CHURN_FILES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CELL_BYTES 512u
#define PIECE_BYTES (64u << 10)		/* the most that is read or written in one go */
#define NAME_BYTES 32

struct file {
	char name[NAME_BYTES];
	uint64_t id, id_before;		/* of the file that has the name, and of the one that had */
	uint64_t size, most;
	bool steady;			/* keeps its size and name: mapped all the time */
	bool unsure;			/* something was under way when the share was lost */
	uint32_t gen_most;		/* the latest there may be, if it is unsure */
	uint32_t *gen;			/* of each cell up to most; 0: zeros */
};

/* What was found; of all threads. */
struct tally {
	atomic_ullong ops, bytes_read, bytes_written, wrong, enospc, sigbus, errors;
};

/**
 * file_new() - A file that is nowhere yet
 * @f:		Filled; @f->gen is the caller's to free
 * @name:	In the share
 * @id:		Nobody else's
 * @most:	Bytes it ever has
 */
int file_new(struct file *f, const char *name, uint64_t id, uint64_t most);

/* What a range of it is to hold. */
void file_fill(const struct file *f, uint64_t at, uint8_t *to, size_t len);

/**
 * file_check() - Compare a range with what it is to hold; said on stderr if it does not
 * @f:		File
 * @at:		Where the range begins
 * @found:	What was read there
 * @len:	At most PIECE_BYTES
 * @t:		Counts
 */
void file_check(const struct file *f, uint64_t at, const uint8_t *found, size_t len,
		struct tally *t);

/* Cells that a range touches get a generation; whole ones, so that no cell has two. */
void file_set(struct file *f, uint64_t from, uint64_t to, uint32_t gen);

/* What it holds is to be known to somebody else, who says file_load(). */
int file_save(const struct file *f, FILE *to);
int file_load(struct file *f, FILE *from);

/**
 * file_look() - Compare the whole of it
 * @f:		File; one that is unsure may have any generation up to gen_most in each cell
 * @dir:	Share, or the folder in it
 * @t:		Counts
 */
void file_look(const struct file *f, int dir, struct tally *t);

#endif
