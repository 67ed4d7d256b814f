/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * show_modules.c - a VM's modules as `hylics vm show` prints them
 *
 * Runs in: hylics
 * Reads from: hylicsd
 */
#include "cli/show_modules.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/show.h"
#include "common/clock.h"

#define US_PER_S 1e6

static const json_t *find(const json_t *states, const char *name)
{
	for (size_t i = 0; i < json_array_size(states); i++) {
		const json_t *state = json_array_get(states, i);

		if (strcmp(shown_text(state, "name"), name) == 0)
			return state;
	}
	return NULL;
}

static bool is_named(const json_t *names, const char *name)
{
	for (size_t i = 0; i < json_array_size(names); i++) {
		if (strcmp(json_string_value(json_array_get(names, i)), name) == 0)
			return true;
	}
	return false;
}

/* How long one that has failed waits yet, in whole seconds. */
static void show_retry(const json_t *state)
{
	json_int_t now = (json_int_t)hy_clock_wall_ms(), then = shown_number(state, "retry_ms");

	if (then)
		printf(", waits %" JSON_INTEGER_FORMAT " s", then > now ?
		       (then - now + SHOW_MS_PER_S - 1) / SHOW_MS_PER_S : 0);
}

static void show_use(const json_t *state)
{
	char memory[32];

	ask_size_text((uint64_t)shown_number(state, "memory"), memory, sizeof(memory));
	printf(SHOW_COLUMN "%" JSON_INTEGER_FORMAT " starts, %" JSON_INTEGER_FORMAT
	       " connections, %.2f s of CPU time, %s of memory\n", "",
	       shown_number(state, "starts"), shown_number(state, "connections"),
	       (double)shown_number(state, "cpu_us") / US_PER_S, memory);
}

static void show_state(const json_t *state)
{
	printf(SHOW_COLUMN "%s: %s at port %" JSON_INTEGER_FORMAT, "module",
	       shown_text(state, "name"), shown_text(state, "state"), shown_number(state, "port"));
	show_retry(state);
	if (shown_number(state, "changed_ms"))
		show_when(", since", shown_number(state, "changed_ms"));
	putchar('\n');
	if (shown_number(state, "starts"))
		show_use(state);
	if (*shown_text(state, "why"))
		printf(SHOW_COLUMN "%s\n", "", shown_text(state, "why"));
}

void show_modules(const json_t *names, const json_t *states)
{
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));
		const json_t *state = find(states, name);

		if (state)
			show_state(state);
		else
			printf(SHOW_COLUMN "%s%s\n", "module", name,
			       json_is_array(states) ? ": not wanted" : "");
	}
	for (size_t i = 0; i < json_array_size(states); i++) {
		const json_t *state = json_array_get(states, i);

		if (!is_named(names, shown_text(state, "name")))
			show_state(state);
	}
}
