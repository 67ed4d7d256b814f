/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.c - how a VM's memory is kept, for who asks
 *
 * Runs in: hylicsd
 * Reads from: no untrusted input: names of jobs were made printable
 */
#include "hylicsd/memory.h"

#include "common/clock.h"
#include "hylicsd/vm.h"

#define MS_PER_S 1000.0

static void add(json_t *o, const char *name, uint64_t n)
{
	json_object_set_new(o, name, json_integer((json_int_t)n));
}

static json_t *settings_json(const struct record *r)
{
	json_t *o = json_pack("{s:s, s:s}", "control", record_control_words[r->control], "scheme",
			      record_scheme_words[r->scheme]);

	add(o, "memory_min", record_memory_min(r));
	if (r->slo_ms)
		add(o, "slo_ms", r->slo_ms);
	if (r->model[0])
		json_object_set_new(o, "model", json_string(r->model));
	add(o, "idle_ms", r->idle_ms);
	add(o, "weight", (uint64_t)r->weight);
	add(o, "interval_min_ms", r->interval_min_ms);
	add(o, "interval_max_ms", r->interval_max_ms);
	return o;
}

static const char *rail_of(const struct decide *d)
{
	static const char *const rails[] = {
		[QUEUE_INSIDE] = "inside", [QUEUE_FLOOR] = "floor", [QUEUE_CEILING] = "ceiling",
	};

	return rails[d->by_law ? d->law.rail : QUEUE_CEILING];
}

/* Reasons that were given, and how often. */
static json_t *counts_json(const struct decide *d)
{
	json_t *o = json_object();

	for (unsigned int i = 0; d->by_law && i < LAW_REASONS_N; i++) {
		char code[DECIDE_CODE_MAX];

		if (!d->law.counts[i])
			continue;
		decide_reason_code((enum law_reason)i, code);
		add(o, code, d->law.counts[i]);
	}
	return o;
}

/* Times only if there were jobs. */
static json_t *seen_json(const struct decide *d)
{
	json_t *o = json_pack("{s:f}", "per_s", d->seen.per_s);

	add(o, "jobs", d->seen.jobs);
	if (d->seen.jobs) {
		json_object_set_new(o, "response_s", json_real(d->seen.response_s));
		json_object_set_new(o, "service_s", json_real(d->service_s));
	}
	return o;
}

static void add_model(json_t *o, const struct decide *d)
{
	char why[HY_ERR_MESSAGE_MAX];

	if (d->has_model)
		json_object_set_new(o, "model_job", json_string(d->model.job));
	if (d->other_job[0])
		json_object_set_new(o, "other_job", json_string(d->other_job));
	if (d->has_model)
		json_object_set_new(o, "is_hopeless", json_boolean(d->is_hopeless));
	if (!d->no_model.num)
		return;
	hy_err_message(&d->no_model, why);
	json_object_set_new(o, "model_why", json_string(why));
}

static void add_decision(json_t *o, const struct decide *d)
{
	uint64_t now = hy_clock_ms();
	char code[DECIDE_CODE_MAX];

	decide_code(d, code);
	add(o, "wanted_bytes", d->wanted);
	json_object_set_new(o, "reason", json_string(decide_reason(d)));
	json_object_set_new(o, "code", json_string(code));
	json_object_set_new(o, "rail", json_string(rail_of(d)));
	json_object_set_new(o, "seen", seen_json(d));
	json_object_set_new(o, "counts", counts_json(d));
	add(o, "decisions", d->decisions);
	json_object_set_new(o, "interval_s", json_real((double)d->interval_ms / MS_PER_S));
	json_object_set_new(o, "next_s", json_real(d->due_ms > now ?
						   (double)(d->due_ms - now) / MS_PER_S : 0));
	add_model(o, d);
}

json_t *memory_json(const struct vm *vm)
{
	static struct tend_report report;	/* large; one loop */
	const struct govern_vm *m = &vm->memory;
	json_t *o = settings_json(&vm->rec);

	if (!m->decide.on)
		return o;
	add(o, "memory_bytes", m->in_force);
	add(o, "told_bytes", m->told);
	add(o, "given_bytes", m->given);
	add_decision(o, &m->decide);
	add(o, "stuck", tend_report(vm, &report) ? report.stuck : 0);
	return o;
}
