/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm_set.c - hylics vm set
 *
 * Runs in: hylics
 * Reads from: the operator's command line; hylicsd
 */
#include <string.h>

#include "cli/verbs.h"

const struct hy_opt vm_set_options[] = { ASK_OPTIONS };

/* What there may be several of, by the key for one; "nic=" alone takes all away. */
static const char *list_of(const char *key)
{
	if (strcmp(key, "nic") == 0)
		return "nics";
	return strcmp(key, "module") == 0 ? "modules" : NULL;
}

static void add_to_list(json_t *o, const char *name, const char *text)
{
	json_t *list = json_object_get(o, name);

	if (!list) {
		list = json_array();
		json_object_set_new(o, name, list);
	}
	if (*text)
		json_array_append_new(list, json_string(text));
}

/* "memory=64M": what the key may be, hylicsd knows */
static int set_key(json_t *o, const char *word, struct hy_err *e)
{
	const char *equals = strchr(word, '='), *list;
	char key[32];

	if (!equals || equals == word || (size_t)(equals - word) >= sizeof(key))
		return hy_err_usage(e, NULL, "'%.64s': KEY=VALUE, such as memory=64M", word);
	memcpy(key, word, (size_t)(equals - word));
	key[equals - word] = '\0';
	for (char *c = key; *c; c++)
		if (*c == '-')
			*c = '_';		/* as the API's members are spelt */
	list = list_of(key);
	if (list)
		add_to_list(o, list, equals + 1);
	else
		json_object_set_new(o, key, json_string(equals + 1));
	return 0;
}

int vm_set_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct ask_values *v = values;
	json_t *body = json_object(), *answer = NULL;
	int rc = 0;

	for (int i = 1; rc == 0 && i < argc; i++)
		rc = set_key(body, argv[i], e);
	if (rc < 0)
		json_decref(body);
	else
		rc = ask_vm(v, "PATCH", argv[0], "", body, &answer, e);
	return rc < 0 ? hy_err_exit(e) : ask_show(v, answer, ask_show_vm);
}
