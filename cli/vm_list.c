/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm_list.c - hylics vm list
 *
 * Runs in: hylics
 * Reads from: hylicsd
 */
#include <stdio.h>
#include <string.h>

#include "cli/api.h"
#include "cli/verbs.h"

const struct hy_opt vm_list_options[] = {
	{ .name = "names", .type = HY_OPT_FLAG, .offset = offsetof(struct vm_list_values, names),
	  .help = "print nothing but the names" },
	ASK_OPTIONS
};

static void cell(const json_t *vm, const char *key)
{
	const json_t *n = json_object_get(vm, key);
	char text[32] = "-";

	if (n)
		ask_size_text((uint64_t)json_integer_value(n), text, sizeof(text));
	printf(" %8s", text);
}

static void show(const json_t *answer)
{
	const json_t *vms = json_object_get(answer, "vms");

	printf("%-20s %-10s %8s %8s %8s %8s  %s\n", "NAME", "STATE", "SIZE", "USED", "MEMORY",
	       "RESIDENT", "GUEST");
	for (size_t i = 0; i < json_array_size(vms); i++) {
		const json_t *vm = json_array_get(vms, i);

		printf("%-20s %-10s", json_string_value(json_object_get(vm, "name")),
		       json_string_value(json_object_get(vm, "state")));
		cell(vm, "size");
		cell(vm, "used");
		cell(vm, "memory");
		cell(vm, "resident");
		puts(json_is_true(json_object_get(vm, "guest")) ? "  yes" : "  no");
	}
}

static void show_names(const json_t *answer)
{
	const json_t *vms = json_object_get(answer, "vms");

	for (size_t i = 0; i < json_array_size(vms); i++)
		puts(json_string_value(json_object_get(json_array_get(vms, i), "name")));
}

int vm_list_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct vm_list_values *v = values;
	json_t *answer = NULL;

	(void)argc;
	(void)argv;
	if (api_call(v->ask.run_dir, "GET", "/v1/vms", NULL, &answer, e) < 0)
		return hy_err_exit(e);
	return ask_show(&v->ask, answer, v->names ? show_names : show);
}
