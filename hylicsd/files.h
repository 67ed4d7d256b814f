/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * files.h - the files a tender knows: so many at most, and of more those that were used last
 *
 * Runs in: a tender, a job of hylicsd
 * Reads from: no untrusted input: numbers and names that others have read from a share
 *
 * A file is known by its inode's number, and found again by its handle: no name has to be followed
 * for that. Rows are in the order of their last use.
 */
#ifndef HYLICSD_FILES_H
#define HYLICSD_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/limits.h"

#define FILES_HANDLE_MAX 32		/* a tmpfs has 12 */
#define FILES_BUCKETS 8192

struct files_row {
	TAILQ_ENTRY(files_row) order;
	struct files_row *chain;	/* of its bucket, or of what is free */
	uint64_t ino;			/* 0: no file's */
	uint64_t used_ms;		/* by hy_clock_ms() */
	uint64_t again_ms;		/* it is not put out before that, unless it was used */
	uint64_t looked_ms;		/* when memory_bytes was counted; 0: never */
	uint64_t size_bytes, data_bytes;	/* without holes */
	uint64_t memory_bytes;
	int64_t times_ns;		/* the newest of the inode's times, by its file system */
	int handle_type;
	unsigned int handle_bytes;
	unsigned char handle[FILES_HANDLE_MAX];
	char path[HY_PATH_MAX + 1];	/* any bytes; "": too long */
};

TAILQ_HEAD(files_list, files_row);

struct files {
	struct files_list order;	/* the first was used longest ago */
	struct files_row *bucket[FILES_BUCKETS];
	struct files_row *unused;
	unsigned int n;
	struct files_row row[HY_TEND_FILES_MAX];
};

/* Begin with none. */
void files_open(struct files *f);

/* NULL: it is not known. */
struct files_row *files_find(const struct files *f, uint64_t ino);

/* Whether a file last used then would be known: there is room, or one used longer ago. */
bool files_would_add(const struct files *f, uint64_t used_ms);

/**
 * files_add() - Know one more file
 * @f:		Files
 * @ino:	Not known yet, not 0
 * @used_ms:	When it was last used
 *
 * Return: its row, all else in it zeroed; NULL if there are so many that were used later. The one
 * used longest ago makes room: its row is gone.
 */
struct files_row *files_add(struct files *f, uint64_t ino, uint64_t used_ms);

/* It was used then; one that is known to be used later stays as it is. */
void files_use(struct files *f, struct files_row *row, uint64_t used_ms);

/* Forget it. */
void files_drop(struct files *f, struct files_row *row);

/**
 * files_next_name() - The name that follows by number: "d/seg-0041.ts", "d/seg-0042.ts"
 * @path:	Of a file
 * @step:	1: the next one, 2: the one behind that
 * @to:		HY_PATH_MAX + 1 bytes, for the name if there is one
 *
 * The number is the extension, if that is one, or the last one in the name before it; its width is
 * kept. Return: whether there is one
 */
bool files_next_name(const char *path, unsigned int step, char *to);

#endif
