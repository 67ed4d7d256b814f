/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * show_files.c - files of a share as `hylics vm show` prints them
 *
 * Runs in: hylics
 * Reads from: hylicsd
 */
#include "cli/show_files.h"

#include <stdio.h>

#include "cli/ask.h"
#include "cli/show.h"

static void print_size(const json_t *o, const char *key, const char *behind)
{
	char text[32];

	ask_size_text((uint64_t)shown_number(o, key), text, sizeof(text));
	printf("%s%s", text, behind);
}

static void show_totals(const json_t *files)
{
	printf(SHOW_COLUMN "%" JSON_INTEGER_FORMAT " known, ", "files",
	       shown_number(files, "known"));
	print_size(files, "memory_bytes", " of ");
	print_size(files, "size_bytes", " in memory");
	if (shown_number(files, "left_out"))
		printf(", %" JSON_INTEGER_FORMAT " more", shown_number(files, "left_out"));
	printf("\n" SHOW_COLUMN, "");
	print_size(files, "limit_bytes", " of memory in force");
	if (shown_number(files, "stuck"))
		printf(", %" JSON_INTEGER_FORMAT " limits could not be had",
		       shown_number(files, "stuck"));
	printf("\n" SHOW_COLUMN "%" JSON_INTEGER_FORMAT " put out, ", "",
	       shown_number(files, "put_out"));
	print_size(files, "put_out_bytes", "; ");
	printf("%" JSON_INTEGER_FORMAT " brought back, ", shown_number(files, "brought_back"));
	print_size(files, "brought_back_bytes", "\n");
}

static void show_file(const json_t *file)
{
	const char *path = shown_text(file, "path");

	printf(SHOW_COLUMN "%s: ", "file", *path ? path : "(a name that is too long)");
	print_size(file, "memory_bytes", " of ");
	print_size(file, "size_bytes", " in memory");
	printf(", used %.1f s ago\n", (double)shown_number(file, "idle_ms") / SHOW_MS_PER_S);
}

void show_files(const json_t *files)
{
	const json_t *shown = json_object_get(files, "shown");

	if (!files)
		return;
	show_totals(files);
	for (size_t i = 0; i < json_array_size(shown); i++)
		show_file(json_array_get(shown, i));
}
