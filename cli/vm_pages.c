/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm_pages.c - hylics vm pages
 *
 * Runs in: hylics
 * Reads from: the operator's command line; hylicsd
 */
#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"

const struct hy_opt vm_pages_options[] = { ASK_OPTIONS };

static void size_of(const json_t *file, const char *key, char *text, size_t size)
{
	ask_size_text((uint64_t)json_integer_value(json_object_get(file, key)), text, size);
}

static void show_file(const json_t *file)
{
	const char *path = json_string_value(json_object_get(file, "path"));
	const json_t *error = json_object_get(file, "error");
	char before[32], after[32], size[32];

	if (error) {
		fprintf(stderr, "hylics: %s\n",
			json_string_value(json_object_get(error, "message")));
		return;
	}
	size_of(file, "before", before, sizeof(before));
	size_of(file, "after", after, sizeof(after));
	size_of(file, "size", size, sizeof(size));
	printf("%s: %s of %s in memory, before %s\n", path, after, size, before);
}

static void show(const json_t *answer)
{
	const json_t *files = json_object_get(answer, "files");

	for (size_t i = 0; i < json_array_size(files); i++)
		show_file(json_array_get(files, i));
}

static bool has_failed(const json_t *answer)
{
	const json_t *files = json_object_get(answer, "files");

	for (size_t i = 0; i < json_array_size(files); i++)
		if (json_object_get(json_array_get(files, i), "error"))
			return true;
	return false;
}

/* JSON is UTF-8: other names cannot be said. */
static int add_paths(json_t *paths, int n, char **path, struct hy_err *e)
{
	for (int i = 0; i < n; i++)
		if (json_array_append_new(paths, json_string(path[i])) < 0)
			return hy_err_usage(e, NULL, "path %d: is not UTF-8", i + 1);
	return 0;
}

int vm_pages_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct ask_values *v = values;
	json_t *answer = NULL, *paths = json_array();
	json_t *body = json_pack("{s:s, s:o}", "to", argv[1], "paths", paths);
	int rc = body ? add_paths(paths, argc - 2, argv + 2, e) :
			hy_err_usage(e, NULL, "'%.64s': in or out", argv[1]);
	bool failed;

	if (rc < 0)
		json_decref(body);
	else
		rc = ask_vm(v, "POST", argv[0], "/pages", body, &answer, e);
	if (rc < 0)
		return hy_err_exit(e);
	failed = has_failed(answer);
	rc = ask_show(v, answer, show);
	return failed ? HY_EXIT_FAILED : rc;
}
