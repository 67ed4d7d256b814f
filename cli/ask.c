/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ask.c - what the verbs that ask hylicsd have in common: options, the call, how a VM is shown
 *
 * Runs in: hylics
 * Reads from: the operator's command line; hylicsd
 */
#include "cli/ask.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/api.h"
#include "cli/show_control.h"
#include "cli/show_files.h"
#include "cli/show_jobs.h"
#include "cli/show_modules.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/name.h"

#define PATH_ROOM (HY_NAME_MAX + 32)
#define AGAIN_PAUSE_NS 200000000L

static void tell_of_waiting(const struct hy_err *e)
{
	char why[HY_ERR_MESSAGE_MAX];

	hy_err_message(e, why);
	fprintf(stderr, "hylics: %s; asking again for up to %d s\n", why, HY_ROOM_WAIT_MS / 1000);
}

int ask_call(const struct ask_values *v, const char *method, const char *path, const json_t *body,
	     json_t **answer, struct hy_err *e)
{
	const struct timespec pause = { .tv_nsec = AGAIN_PAUSE_NS };
	uint64_t deadline = hy_clock_ms() + HY_ROOM_WAIT_MS;
	bool is_told = false;
	int rc;

	while ((rc = api_call(v->run_dir, method, path, body, answer, e)) == -EAGAIN &&
	       hy_clock_ms() < deadline) {
		if (!is_told)
			tell_of_waiting(e);
		is_told = true;
		nanosleep(&pause, NULL);
	}
	return rc;
}

int ask_vm(const struct ask_values *v, const char *method, const char *name, const char *rest,
	   json_t *body, json_t **answer, struct hy_err *e)
{
	char path[PATH_ROOM];
	int rc;

	if (!hy_name_valid(name)) {
		json_decref(body);
		return hy_err_usage(e, NULL, "'%.64s' is no name of a VM: 1 to %d of a-z, 0-9 "
				    "and '-', the first no '-'", name, HY_NAME_MAX);
	}
	snprintf(path, sizeof(path), "/v1/vms/%s%s", name, rest);
	rc = ask_call(v, method, path, body, answer, e);
	json_decref(body);
	return rc;
}

int ask_show(const struct ask_values *v, json_t *answer, void (*people)(const json_t *))
{
	if (v->json && answer) {
		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
	} else if (!v->json && people) {
		people(answer);
	}
	json_decref(answer);
	return HY_EXIT_OK;
}

void ask_size_text(uint64_t bytes, char *text, size_t size)
{
	static const char units[] = "KMGTPE";
	uint64_t whole = bytes, rest = 0;
	int unit = -1;

	while (whole >= 1024 && unit < (int)sizeof(units) - 2) {
		rest = whole % 1024;
		whole /= 1024;
		unit++;
	}
	if (unit < 0)
		snprintf(text, size, "%" PRIu64, bytes);
	else if (rest * 10 / 1024 == 0 || whole >= 100)
		snprintf(text, size, "%" PRIu64 "%c", whole, units[unit]);
	else
		snprintf(text, size, "%" PRIu64 ".%" PRIu64 "%c", whole, rest * 10 / 1024,
			 units[unit]);
}

static void show_text(const json_t *vm, const char *key)
{
	const char *text = json_string_value(json_object_get(vm, key));

	if (text && *text)
		printf("%-10s %s\n", key, text);
}

static void show_sizes(const json_t *vm, const char *title, const char *limit, const char *used)
{
	char of[32], is[32];
	const json_t *now = json_object_get(vm, used);

	ask_size_text((uint64_t)json_integer_value(json_object_get(vm, limit)), of, sizeof(of));
	ask_size_text((uint64_t)json_integer_value(now), is, sizeof(is));
	if (now)
		printf("%-10s %s, %s used\n", title, of, is);
	else
		printf("%-10s %s\n", title, of);
}

const char *ask_offload_text(const json_t *vm)
{
	if (!json_is_true(json_object_get(vm, "offload")))
		return "off: new connections stay in the guest (off-by-operator)";
	if (json_is_true(json_object_get(vm, "draining")))
		return "on, but draining: new connections stay in the guest until it is switched "
		       "on again";
	return "on";
}

static void show_offload(const json_t *vm)
{
	const json_t *away = json_object_get(vm, "away");

	printf("%-10s %s\n", "offload", ask_offload_text(vm));
	if (away)
		printf("%-10s %lld connections\n", "away", (long long)json_integer_value(away));
}

static void show_memory(const json_t *agent)
{
	char total[32], available[32];

	ask_size_text((uint64_t)json_integer_value(json_object_get(agent, "memory_total")), total,
		      sizeof(total));
	ask_size_text((uint64_t)json_integer_value(json_object_get(agent, "memory_available")),
		      available, sizeof(available));
	printf("%-10s %" JSON_INTEGER_FORMAT " CPUs, load %.2f; memory %s, %s available\n", "",
	       json_integer_value(json_object_get(agent, "cpus")),
	       (double)json_integer_value(json_object_get(agent, "load_100")) / 100, total,
	       available);
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "not told";
}

/* What the guest says of itself; NULL: that was not asked, null: nobody says anything. */
static void show_agent(const json_t *agent)
{
	const json_t *addresses = json_object_get(agent, "addresses");

	if (!agent)
		return;
	if (!json_is_object(agent)) {
		printf("%-10s %s\n", "agent", "not connected");
		return;
	}
	printf("%-10s %s on Linux %s, share: %s\n", "agent", text_of(agent, "software"),
	       text_of(agent, "kernel"), text_of(agent, "share"));
	if (json_object_get(agent, "cpus"))
		show_memory(agent);
	for (size_t i = 0; i < json_array_size(addresses); i++)
		printf("%-10s %s\n", "address",
		       json_string_value(json_array_get(addresses, i)));
	show_jobs(json_object_get(agent, "jobs"));
}

void ask_show_vm(const json_t *vm)
{
	const json_t *nics = json_object_get(vm, "nics"), *guest = json_object_get(vm, "guest");

	show_text(vm, "name");
	show_text(vm, "state");
	show_text(vm, "why");
	if (guest)
		printf("%-10s %s\n", "guest",
		       json_is_true(guest) ? "has the share mounted" : "none yet");
	show_sizes(vm, "size", "size", "used");
	show_sizes(vm, "memory", "memory", "resident");
	show_control(json_object_get(vm, "control"));
	show_files(json_object_get(vm, "files"));
	show_text(vm, "export");
	show_text(vm, "cache");
	show_text(vm, "keep");
	show_text(vm, "domain");
	for (size_t i = 0; i < json_array_size(nics); i++)
		printf("%-10s %s\n", "nic", json_string_value(json_array_get(nics, i)));
	show_modules(json_object_get(vm, "modules"), json_object_get(vm, "module_states"));
	show_offload(vm);
	show_agent(json_object_get(vm, "agent"));
	show_text(vm, "share");
	show_text(vm, "virtiofs");
	show_text(vm, "channel");
}
