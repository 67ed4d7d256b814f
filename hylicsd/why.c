/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * why.c - why connections of a VM were not moved, as its worker wrote it down
 *
 * Runs in: hylicsd
 * Reads from: a worker's counters: partly the guest's word, or that of a worker that was taken over
 */
#include "hylicsd/why.h"

#include "hylicsd/guest.h"
#include "proto/reason.h"

static json_t *last_json(const json_t *from)
{
	static const char *const texts[] = { "local", "peer", NULL };
	json_t *o;

	if (!json_is_object(from))
		return NULL;
	o = json_object();
	guest_add_number(o, "when_ms", from);
	guest_add_number(o, "queued", from);
	guest_add_texts(o, texts, from);
	return o;
}

/* Return: NULL if it never occurred */
static json_t *reason_json(const char *name, const json_t *refused, const json_t *not_offered,
			   const json_t *last)
{
	json_int_t here = json_integer_value(json_object_get(refused, name));
	json_int_t there = json_integer_value(json_object_get(not_offered, name));
	json_t *o, *example = last_json(json_object_get(last, name));

	if (here <= 0 && there <= 0) {
		json_decref(example);
		return NULL;
	}
	o = json_pack("{s:I, s:I}", "refused", here > 0 ? here : 0, "not_offered",
		      there > 0 ? there : 0);
	if (example)
		json_object_set_new(o, "last", example);
	return o;
}

json_t *why_json(const json_t *counters)
{
	const json_t *refused = json_object_get(counters, "refused");
	const json_t *last = json_object_get(counters, "refused_last");
	const json_t *guest = json_object_get(counters, "guest");
	const json_t *not_offered = json_object_get(guest, "not_offered");
	json_t *o = json_object();

	for (unsigned int i = MOVE_DONE + 1; i < MOVE_REASONS; i++) {
		const char *name = move_reason_name(i);
		json_t *reason = reason_json(name, refused, not_offered, last);

		if (reason)
			json_object_set_new(o, name, reason);
	}
	return o;
}
