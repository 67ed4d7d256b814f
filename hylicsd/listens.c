/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listens.c - whether anybody listens at a unix socket, without disturbing him
 *
 * Runs in: hylicsd
 * Reads from: /proc/net/unix, which has paths that anybody chose
 */
#include "hylicsd/listens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/own.h"

#define ACCEPTS 0x10000u		/* flag of a socket that listens */

/* Number, references, protocol, flags, type, state, inode, path. */
static bool is_it(char *line, const char *path)
{
	char flags[17];
	int at = 0;

	line[strcspn(line, "\n")] = '\0';
	return sscanf(line, "%*s %*s %*s %16s %*s %*s %*s %n", flags, &at) == 1 && at &&
	       (strtoul(flags, NULL, 16) & ACCEPTS) && strcmp(line + at, path) == 0;
}

bool listens_at(const char *table, const char *path)
{
	hy_autofree char *line = NULL;
	FILE *f = fopen(table, "re");
	size_t room = 0;
	bool found = false;

	if (!f)
		return false;
	while (!found && getline(&line, &room, f) >= 0)
		found = is_it(line, path);
	fclose(f);
	return found;
}
