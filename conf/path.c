/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path.c - which texts hylicsd takes for paths of directories and files
 *
 * Runs in: hylicsd, hylics-keeper
 * Reads from: configuration, records, API clients
 */
#include "conf/path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool plain_part(const char *part, size_t len)
{
	return len > 0 && !(len == 1 && part[0] == '.') &&
	       !(len == 2 && part[0] == '.' && part[1] == '.');
}

bool path_parts_plain(const char *text)
{
	for (;;) {
		size_t len = strcspn(text, "/");

		if (!plain_part(text, len))
			return false;
		if (!text[len])
			return true;
		text += len + 1;
	}
}

int path_check(const char *text, char *why, size_t size)
{
	if (text[0] != '/')
		snprintf(why, size, "must be an absolute path");
	else if (!path_parts_plain(text + 1))
		snprintf(why, size, "must be without '.', '..', '//' and a slash at its end");
	else
		return 0;
	return -EINVAL;
}

bool path_inside(const char *inner, const char *outer)
{
	size_t len = strlen(outer);

	return inner[0] && len && strncmp(inner, outer, len) == 0 &&
	       (inner[len] == '\0' || inner[len] == '/');
}
