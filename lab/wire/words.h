/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * words.h - cut a line of a script or of the control socket into words
 *
 * Runs in: hylics-wire
 * Reads from: whoever started the program or may open its control socket; strict
 */
#ifndef WIRE_WORDS_H
#define WIRE_WORDS_H

#include "common/err.h"
#include "lab/wire/wire_limits.h"

struct words {
	unsigned int n;
	char *word[WIRE_WORDS_MAX];	/* point into text */
	char text[2 * WIRE_LINE_MAX];	/* every word with a NUL of its own */
};

/**
 * words_split() - Cut at blanks; ":" before a blank is a word by itself, "#" starts a comment
 * @w:		Filled on success
 * @line:	The line without its end
 * @e:		Error
 *
 * Return: 0, -EINVAL for a byte that is not printable ASCII, -E2BIG
 */
int words_split(struct words *w, const char *line, struct hy_err *e);

#endif
