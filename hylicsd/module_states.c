/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * module_states.c - how a VM's modules are, as its keeper wrote it down
 *
 * Runs in: hylicsd
 * Reads from: a keeper's file, in which there are words of modules
 */
#include "hylicsd/module_states.h"

#include <stddef.h>

#include "hylicsd/guest.h"
#include "proto/modules.h"

/* Those that are not allowed any more still end while as many others are wanted. */
#define STATES_MAX ((size_t)3 * HY_MODULES_MAX)

static const char *const texts[] = { "name", "state", NULL };
static const char *const numbers[] = { "port", "starts", "connections", "cpu_us", "memory",
				       "changed_ms", "retry_ms", NULL };

static json_t *state_json(const json_t *from)
{
	json_t *o = json_object();

	guest_add_texts(o, texts, from);
	for (const char *const *name = numbers; *name; name++)
		guest_add_number(o, *name, from);
	guest_add_text(o, "why", MODULES_WHY_MAX, from);
	return o;
}

json_t *module_states_json(const json_t *from)
{
	const json_t *states = json_object_get(from, "modules");
	json_t *list;

	if (!json_is_array(states))
		return NULL;
	list = json_array();
	for (size_t i = 0; i < json_array_size(states) && i < STATES_MAX; i++)
		json_array_append_new(list, state_json(json_array_get(states, i)));
	return list;
}
