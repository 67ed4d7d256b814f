/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * printable.c - texts of others that are to be shown: letters of ASCII alone
 *
 * Runs in: every program
 * Reads from: names that others chose (hostile): they may end on a terminal, in a log or in a page
 */
#include "common/printable.h"

#include <string.h>

static bool is_shown(char c)
{
	return c >= ' ' && c <= '~';
}

bool hy_is_printable(const char *text)
{
	while (*text && is_shown(*text))
		text++;
	return !*text;
}

void hy_make_printable(char *text)
{
	for (; *text; text++) {
		if (!is_shown(*text))
			*text = '?';
	}
}

void hy_copy_printable(char *to, size_t room, const char *from)
{
	size_t n = strnlen(from, room - 1);

	memcpy(to, from, n);
	to[n] = '\0';
	hy_make_printable(to);
}
