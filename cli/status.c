/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status.c - hylics status
 *
 * Runs in: hylics
 * Reads from: hylicsd
 */
#include <stdio.h>

#include "cli/api.h"
#include "cli/verbs.h"

const struct hy_opt status_options[] = { ASK_OPTIONS };

static void show(const json_t *host)
{
	const char *virtiofsd = json_string_value(json_object_get(host, "virtiofsd"));
	const char *why = json_string_value(json_object_get(host, "swap_why"));
	char limit[32], used[32], swap[32];

	ask_size_text((uint64_t)json_integer_value(json_object_get(host, "budget")), limit,
		      sizeof(limit));
	ask_size_text((uint64_t)json_integer_value(json_object_get(host, "budget_used")), used,
		      sizeof(used));
	ask_size_text((uint64_t)json_integer_value(json_object_get(host, "swap_free")), swap,
		      sizeof(swap));
	printf("hylicsd %s\n", json_string_value(json_object_get(host, "version")));
	printf("VMs        %lld\n", (long long)json_integer_value(json_object_get(host, "vms")));
	printf("memory     %s of %s promised\n", used, limit);
	printf("swap       %s free%s%s\n", swap, why ? "; " : "", why ? why : "");
	printf("virtiofsd  %s\n", virtiofsd ? virtiofsd : "none: shares go over 9p");
}

int status_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct ask_values *v = values;
	json_t *answer = NULL;

	(void)argc;
	(void)argv;
	if (api_call(v->run_dir, "GET", "/v1/host", NULL, &answer, e) < 0)
		return hy_err_exit(e);
	return ask_show(v, answer, show);
}
