/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * quote.c - words that a shell takes as they are
 *
 * Runs in: hylics
 * Reads from: no untrusted input
 */
#include "cli/quote.h"

#include <string.h>

void quote_print(FILE *f, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789%+,-./:=@_";

	if (*word && word[strspn(word, plain)] == '\0') {
		fputs(word, f);
		return;
	}
	fputc('\'', f);
	for (; *word; word++) {
		if (*word == '\'')
			fputs("'\\''", f);
		else
			fputc(*word, f);
	}
	fputc('\'', f);
}
