/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * module_list.c - hylics module list
 *
 * Runs in: hylics
 * Reads from: hylicsd
 */
#include <stdio.h>

#include "cli/api.h"
#include "cli/verbs.h"

const struct hy_opt module_list_options[] = { ASK_OPTIONS };

static void show_ports(const json_t *ports)
{
	for (size_t i = 0; i < json_array_size(ports); i++) {
		const json_t *range = json_array_get(ports, i);
		long long first = json_integer_value(json_object_get(range, "first"));
		long long last = json_integer_value(json_object_get(range, "last"));

		printf("%s%lld", i ? " " : "", first);
		if (last != first)
			printf("-%lld", last);
	}
}

static void show_one(const json_t *module)
{
	const char *why = json_string_value(json_object_get(module, "why"));
	const char *folder = json_string_value(json_object_get(module, "folder"));
	char memory[32];

	printf("%s\n", json_string_value(json_object_get(module, "name")));
	if (why) {
		printf("  wrong     %s\n", why);
		return;
	}
	ask_size_text((uint64_t)json_integer_value(json_object_get(module, "memory")), memory,
		      sizeof(memory));
	printf("  command   %s\n", json_string_value(json_object_get(module, "command")));
	printf("  ports     ");
	show_ports(json_object_get(module, "ports"));
	printf("\n  folder    %s\n", folder && *folder ? folder : "all of the share");
	printf("  limits    %s of memory, %lld tasks, %lld descriptors\n", memory,
	       (long long)json_integer_value(json_object_get(module, "tasks")),
	       (long long)json_integer_value(json_object_get(module, "descriptors")));
}

static void show(const json_t *answer)
{
	const json_t *modules = json_object_get(answer, "modules");

	for (size_t i = 0; i < json_array_size(modules); i++)
		show_one(json_array_get(modules, i));
	if (!json_array_size(modules))
		puts("none; hylicsd.conf(5) says how one is described");
}

int module_list_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct ask_values *v = values;
	json_t *answer = NULL;

	(void)argc;
	(void)argv;
	if (api_call(v->run_dir, "GET", "/v1/modules", NULL, &answer, e) < 0)
		return hy_err_exit(e);
	return ask_show(v, answer, show);
}
