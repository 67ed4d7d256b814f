/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * files.c - the files a tender knows: so many at most, and of more those that were used last
 *
 * Runs in: a tender, a job of hylicsd
 * Reads from: no untrusted input: numbers and names that others have read from a share
 */
#include "hylicsd/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS "0123456789"
#define DIGITS_MAX 18		/* of a number that fits into 63 bits */

static unsigned int bucket_of(uint64_t ino)
{
	return (unsigned int)(ino * UINT64_C(0x9e3779b97f4a7c15) >> 51);
}

void files_open(struct files *f)
{
	memset(f, 0, sizeof(*f));
	TAILQ_INIT(&f->order);
	for (unsigned int i = 0; i < HY_TEND_FILES_MAX; i++) {
		f->row[i].chain = f->unused;
		f->unused = &f->row[i];
	}
}

struct files_row *files_find(const struct files *f, uint64_t ino)
{
	struct files_row *row = f->bucket[bucket_of(ino)];

	while (row && row->ino != ino)
		row = row->chain;
	return row;
}

bool files_would_add(const struct files *f, uint64_t used_ms)
{
	return f->unused || TAILQ_FIRST(&f->order)->used_ms < used_ms;
}

/* Most come with a time near the end. */
static void insert(struct files *f, struct files_row *row)
{
	struct files_row *before = TAILQ_LAST(&f->order, files_list);

	while (before && before->used_ms > row->used_ms)
		before = TAILQ_PREV(before, files_list, order);
	if (before)
		TAILQ_INSERT_AFTER(&f->order, before, row, order);
	else
		TAILQ_INSERT_HEAD(&f->order, row, order);
}

struct files_row *files_add(struct files *f, uint64_t ino, uint64_t used_ms)
{
	struct files_row **at = &f->bucket[bucket_of(ino)], *row;

	if (!files_would_add(f, used_ms))
		return NULL;
	if (!f->unused)
		files_drop(f, TAILQ_FIRST(&f->order));
	row = f->unused;
	f->unused = row->chain;
	*row = (struct files_row){ .ino = ino, .used_ms = used_ms, .chain = *at };
	*at = row;
	insert(f, row);
	f->n++;
	return row;
}

void files_use(struct files *f, struct files_row *row, uint64_t used_ms)
{
	if (used_ms <= row->used_ms)
		return;
	TAILQ_REMOVE(&f->order, row, order);
	row->used_ms = used_ms;
	row->again_ms = 0;
	insert(f, row);
}

void files_drop(struct files *f, struct files_row *row)
{
	struct files_row **at = &f->bucket[bucket_of(row->ino)];

	while (*at != row)
		at = &(*at)->chain;
	*at = row->chain;
	TAILQ_REMOVE(&f->order, row, order);
	row->ino = 0;
	row->chain = f->unused;
	f->unused = row;
	f->n--;
}

/* Finds the number in a name: its first digit, and behind its last one. */
static bool find_number(const char *name, const char **first, const char **end)
{
	const char *dot = strrchr(name, '.');
	const char *at = name + strlen(name);

	if (dot && dot > name && (!dot[1] || dot[1 + strspn(dot + 1, DIGITS)]))
		at = dot;
	while (at > name && !strchr(DIGITS, at[-1]))
		at--;
	*end = at;
	while (at > name && strchr(DIGITS, at[-1]))
		at--;
	*first = at;
	return *first < *end && *end - *first <= DIGITS_MAX;
}

bool files_next_name(const char *path, unsigned int step, char *to)
{
	const char *slash = strrchr(path, '/');
	const char *first, *end;
	int n;

	if (!find_number(slash ? slash + 1 : path, &first, &end))
		return false;
	n = snprintf(to, HY_PATH_MAX + 1, "%.*s%0*llu%s", (int)(first - path), path,
		     (int)(end - first), strtoull(first, NULL, 10) + step, end);
	return n > 0 && n <= HY_PATH_MAX;
}
