/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * words.h - a command as an operator writes it, and the words its program gets
 *
 * Runs in: hylicsd, hylics-keeper
 * Reads from: files of the operator (believed, but mistakes are told)
 *
 * DOC: Words
 *
 * Blanks part words. A '"' begins a part in which blanks stand for themselves, and the next one
 * ends it; in it '\"' and '\\' are '"' and '\', and a '\' before anything else is a mistake.
 * ${port}, ${share}, ${run} and ${vm} are replaced, $$ is '$', and any other '$' is a mistake.
 * What is put in stays in its word, whatever it is made of. No shell ever sees any of it, so every
 * other letter is a letter. The first word is the program: an absolute path with nothing put in,
 * so that nobody but the operator says which.
 */
#ifndef HY_WORDS_H
#define HY_WORDS_H

#include <stddef.h>

#include "common/err.h"

#define WORDS_MAX 64
#define WORDS_BYTES 8192	/* of all words, each with its NUL */

enum words_value { WORDS_PORT, WORDS_SHARE, WORDS_RUN, WORDS_VM, WORDS_VALUES };

struct words {
	unsigned int n;
	char *at[WORDS_MAX + 1];	/* in @bytes, ended by NULL */
	size_t used;
	char bytes[WORDS_BYTES];
};

/**
 * words_check() - Whether a command can be made words of, as a table of keys asks
 * @command:	As written
 * @why:	Filled on failure; names the column
 * @size:	Room in @why
 *
 * Return: 0, -EINVAL
 */
int words_check(const char *command, char *why, size_t size);

/**
 * words_fill() - Make the words
 * @command:	As written
 * @value:	What is put in
 * @w:		Filled; it points into itself, so it stays where it is
 * @e:		Error
 *
 * Return: 0, -EINVAL
 */
int words_fill(const char *command, const char *const value[WORDS_VALUES], struct words *w,
	       struct hy_err *e);

#endif
