/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * words.c - a command as an operator writes it, and the words its program gets
 *
 * Runs in: hylicsd, hylics-keeper
 * Reads from: files of the operator (believed, but mistakes are told)
 */
#include "conf/words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/own.h"

#define BLANKS " \t"

static const char *const names[WORDS_VALUES] = {
	[WORDS_PORT] = "${port}", [WORDS_SHARE] = "${share}", [WORDS_RUN] = "${run}",
	[WORDS_VM] = "${vm}",
};

/* A command that is being read. */
struct reader {
	const char *command, *at;
	const char *const *value;
	struct words *w;
	char *why;
	size_t size;
};

static int mistake(const struct reader *r, const char *what)
{
	snprintf(r->why, r->size, "column %td: %s", r->at - r->command + 1, what);
	return -EINVAL;
}

static int put(struct reader *r, const char *bytes, size_t len)
{
	struct words *w = r->w;

	/* there is always room for the NUL */
	if (len >= sizeof(w->bytes) - w->used)
		return mistake(r, "the words are too long");
	memcpy(w->bytes + w->used, bytes, len);
	w->used += len;
	return 0;
}

static int put_value(struct reader *r)
{
	if (r->at[1] == '$') {
		r->at += 2;
		return put(r, "$", 1);
	}
	for (int i = 0; i < WORDS_VALUES; i++) {
		size_t len = strlen(names[i]);

		if (strncmp(r->at, names[i], len) != 0)
			continue;
		if (r->w->n == 0)
			return mistake(r, "nothing is put into the program's own path");
		r->at += len;
		return put(r, r->value[i], strlen(r->value[i]));
	}
	return mistake(r, "'$' must begin ${port}, ${share}, ${run}, ${vm} or be $$");
}

static int put_letter(struct reader *r, bool quoted)
{
	if (*r->at == '$')
		return put_value(r);
	if (quoted && *r->at == '\\') {
		if (r->at[1] != '"' && r->at[1] != '\\')
			return mistake(r, "'\\' between quotes must stand before '\"' or '\\'");
		r->at++;
	}
	if ((unsigned char)*r->at < ' ' && *r->at != '\t')
		return mistake(r, "control bytes are not taken");
	return put(r, r->at++, 1);
}

static int put_word(struct reader *r)
{
	const char *quote = NULL;
	int rc = 0;

	while (rc == 0 && *r->at && (quote || !strchr(BLANKS, *r->at))) {
		if (*r->at == '"') {
			quote = quote ? NULL : r->at;
			r->at++;
		} else {
			rc = put_letter(r, quote != NULL);
		}
	}
	if (rc == 0 && quote) {
		r->at = quote;
		return mistake(r, "a quote without its end");
	}
	return rc;
}

static int next_word(struct reader *r)
{
	struct words *w = r->w;
	char *begin = w->bytes + w->used;
	int rc;

	if (w->n == WORDS_MAX)
		return mistake(r, "too many words");
	if (w->used == sizeof(w->bytes))
		return mistake(r, "the words are too long");
	rc = put_word(r);
	if (rc < 0)
		return rc;
	w->bytes[w->used++] = '\0';
	w->at[w->n++] = begin;
	return 0;
}

static int read_all(struct reader *r)
{
	int rc = 0;

	r->w->n = 0;
	r->w->used = 0;
	while (rc == 0 && *(r->at += strspn(r->at, BLANKS)))
		rc = next_word(r);
	if (rc < 0)
		return rc;
	r->w->at[r->w->n] = NULL;
	r->at = r->command;
	if (r->w->n == 0 || r->w->at[0][0] != '/')
		return mistake(r, "the program must be an absolute path");
	return 0;
}

int words_check(const char *command, char *why, size_t size)
{
	static const char *const nothing[WORDS_VALUES] = { "", "", "", "" };
	struct words w;
	struct reader r = { .command = command, .at = command, .value = nothing, .w = &w,
			    .why = why, .size = size };

	return read_all(&r);
}

int words_fill(const char *command, const char *const value[WORDS_VALUES], struct words *w,
	       struct hy_err *e)
{
	char why[128];
	struct reader r = { .command = command, .at = command, .value = value, .w = w,
			    .why = why, .size = sizeof(why) };

	return read_all(&r) < 0 ? hy_err_usage(e, "command", "command: %s", why) : 0;
}
