/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtiofs.c - the words a virtiofsd is started with
 *
 * Runs in: hylicsd
 * Reads from: no untrusted input
 *
 * The Rust virtiofsd understands the C one's -o options, so one command line does for both. Neither
 * serves a second connection: it ends when QEMU disconnects.
 */
#include "hylicsd/virtiofs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/own.h"

/* Its options are split at commas. */
static char *source_of(const char *share)
{
	char *text = malloc(2 * strlen(share) + 1), *to = text;

	for (; text && *share; share++) {
		if (*share == ',' || *share == '\\')
			*to++ = '\\';
		*to++ = *share;
	}
	if (text)
		*to = '\0';
	return text;
}

/* NULL when there is no memory, whatever asprintf() leaves behind then. */
static char *word(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *word(const char *format, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	return n < 0 ? NULL : text;
}

int virtiofs_words(char *program, int listener, const char *share, const char *cache,
		   char *argv[VIRTIOFS_ARGS])
{
	hy_autofree char *source = source_of(share);

	argv[0] = program;
	argv[1] = word("--fd=%d", listener);
	argv[2] = word("-f");
	argv[3] = word("-o");
	argv[4] = source ? word("source=%s,cache=%s,sandbox=namespace,xattr", source, cache) : NULL;
	argv[5] = NULL;
	if (argv[1] && argv[2] && argv[3] && argv[4])
		return 0;
	virtiofs_free_words(argv);
	return -ENOMEM;
}

void virtiofs_free_words(char *argv[VIRTIOFS_ARGS])
{
	for (unsigned int i = 1; i < VIRTIOFS_ARGS; i++)
		hy_mem_free(&argv[i]);
}
