/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tend_json.c - what a VM's tender tells, for who asks the API
 *
 * Runs in: hylicsd
 * Reads from: what the tender tells, checked by tend.h
 */
#include "hylicsd/tend_json.h"

#include "hylicsd/tend.h"

static json_t *file_json(const struct tend_file *f)
{
	return json_pack("{s:s, s:I, s:I, s:I}", "path", f->path,
			 "size_bytes", (json_int_t)f->size_bytes,
			 "memory_bytes", (json_int_t)f->memory_bytes,
			 "idle_ms", (json_int_t)f->idle_ms);
}

json_t *tend_json(const struct vm *vm)
{
	static struct tend_report r;	/* large; one loop */
	static const struct { const char *name; const uint64_t *at; } numbers[] = {
		{ "limit_bytes", &r.limit_bytes }, { "known", &r.files },
		{ "left_out", &r.left_out }, { "size_bytes", &r.size_bytes },
		{ "memory_bytes", &r.memory_bytes }, { "put_out", &r.put_out },
		{ "put_out_bytes", &r.put_out_bytes }, { "brought_back", &r.brought_back },
		{ "brought_back_bytes", &r.brought_back_bytes }, { "stuck", &r.stuck },
	};
	json_t *o, *list;

	if (!tend_report(vm, &r))
		return NULL;
	o = json_object();
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		json_object_set_new(o, numbers[i].name, json_integer((json_int_t)*numbers[i].at));
	list = json_array();
	for (unsigned int i = 0; i < r.n_shown; i++)
		json_array_append_new(list, file_json(&r.shown[i]));
	json_object_set_new(o, "shown", list);
	return o;
}
