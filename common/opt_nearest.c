/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * opt_nearest.c - which name was meant by a typing mistake
 *
 * Runs in: every program
 * Reads from: the command line of whoever started the program
 */
#include <string.h>

#include "common/opt_parts.h"

#define WORD_MAX 63	/* no name of ours is longer, so longer words are no mistyped names */

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int least = a < b ? a : b;

	return least < c ? least : c;
}

/*
 * Optimal string alignment: letters put in, left out, changed, or two neighbours swapped, each one
 * mistake. Row i holds the distance of the first i letters of @a to every beginning of @b.
 */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int rows[3][WORD_MAX + 1];
	unsigned int *row = rows[0], *above = rows[1], *above2 = rows[2], *spare;
	size_t la = strlen(a), lb = strlen(b);

	for (unsigned int k = 0; k <= lb; k++)
		row[k] = k;
	for (unsigned int i = 1; i <= la; i++) {
		spare = above2;
		above2 = above;
		above = row;
		row = spare;
		row[0] = i;
		for (unsigned int k = 1; k <= lb; k++) {
			unsigned int changed = above[k - 1] + (a[i - 1] != b[k - 1]);

			row[k] = min3(above[k] + 1, row[k - 1] + 1, changed);
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] &&
			    above2[k - 2] + 1 < row[k])
				row[k] = above2[k - 2] + 1;
		}
	}
	return row[lb];
}

void opt_nearest_try(struct opt_nearest *n, const char *name)
{
	size_t typed_len = strlen(n->typed);
	unsigned int cost;

	if (typed_len > WORD_MAX || strlen(name) > WORD_MAX)
		return;
	if (typed_len >= 2 && strncmp(n->typed, name, typed_len) == 0)
		cost = 1;	/* cut short rather than mistyped */
	else
		cost = distance(n->typed, name);
	if (cost > (typed_len + 2) / 3 || cost >= typed_len)
		return;
	if (!n->best || cost < n->best_cost) {
		n->best = name;
		n->best_cost = cost;
	}
}

const char *hy_opt_nearest(const char *typed, const char *const *names)
{
	struct opt_nearest n = { .typed = typed };

	for (; *names; names++)
		opt_nearest_try(&n, *names);
	return n.best;
}
