/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * words.c - cut a line of a script or of the control socket into words
 *
 * Runs in: hylics-wire
 * Reads from: whoever started the program or may open its control socket; strict
 */
#include "lab/wire/words.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int check_bytes(const char *line, struct hy_err *e)
{
	size_t n = strlen(line);

	if (n > WIRE_LINE_MAX)
		return hy_err_set(e, E2BIG, "%zu bytes in a line, at most %d can be", n,
				  WIRE_LINE_MAX);
	for (size_t i = 0; i < n; i++) {
		if (!is_blank(line[i]) && (line[i] <= ' ' || line[i] > '~'))
			return hy_err_set(e, EINVAL, "byte %zu is 0x%02x, not printable ASCII",
					  i + 1, (unsigned char)line[i]);
	}
	return 0;
}

/* The length of the word at @p: up to a blank, or a colon that a blank or the end follows. */
static size_t word_len(const char *p)
{
	size_t n = 0;

	while (p[n] && !is_blank(p[n])) {
		if (p[n] == ':' && (!p[n + 1] || is_blank(p[n + 1])))
			return n ? n : 1;
		n++;
	}
	return n;
}

int words_split(struct words *w, const char *line, struct hy_err *e)
{
	char *room = w->text;
	size_t len;
	int rc = check_bytes(line, e);

	if (rc < 0)
		return rc;
	w->n = 0;
	for (;;) {
		while (is_blank(*line))
			line++;
		if (!*line || *line == '#')
			return 0;
		if (w->n == WIRE_WORDS_MAX)
			return hy_err_set(e, E2BIG, "more than %d words", WIRE_WORDS_MAX);
		len = word_len(line);
		memcpy(room, line, len);
		room[len] = '\0';
		w->word[w->n++] = room;
		room += len + 1;
		line += len;
	}
}
