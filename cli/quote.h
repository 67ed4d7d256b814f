/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * quote.h - words that a shell takes as they are
 *
 * Runs in: hylics
 * Reads from: no untrusted input
 */
#ifndef HY_CLI_QUOTE_H
#define HY_CLI_QUOTE_H

#include <stdio.h>

/* Prints a word, in quotes if a shell would not leave it alone. */
void quote_print(FILE *f, const char *word);

#endif
