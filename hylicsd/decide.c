/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * decide.c - how much memory a VM wants, asked of its law at the end of each interval
 *
 * Runs in: hylicsd
 * Reads from: a worker's counters (the guest's word); the model's file, which may be anything
 */
#include "hylicsd/decide.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define MB ((double)(1 << 20))
#define MS_PER_S 1000.0

/* -- settings -- */

static enum law_scheme scheme_of(int scheme)
{
	switch (scheme) {
	case RECORD_SCHEME_QUEUE:
		return LAW_QUEUE;
	case RECORD_SCHEME_BOTH:
		return LAW_BOTH;
	case RECORD_SCHEME_ADAPTIVE:
		return LAW_ADAPTIVE;
	default:
		return LAW_OURS;
	}
}

static struct law_settings settings_of(const struct decide *d, const struct record *r)
{
	struct law_settings s = {
		.scheme = scheme_of(r->scheme),
		.tau_s = (double)r->slo_ms / MS_PER_S,
		.floor = (double)d->floor / MB,
		.ceiling = (double)d->ceiling / MB,
		.interval_min_s = (double)r->interval_min_ms / MS_PER_S,
		.interval_max_s = (double)r->interval_max_ms / MS_PER_S,
	};

	law_settings_usual(&s);
	if (d->has_model) {
		s.order = d->model.order;
		s.curve = d->model.curve;
	}
	return s;
}

static void tell_of_model(struct decide *d, const struct record *r, const struct hy_log *log)
{
	struct hy_err e = d->no_model;

	hy_err_add(&e, "vm '%s': goes on without its model", r->name);
	hy_log_err(log, HY_LOG_WARN, &e);
}

static int load_model(struct decide *d, const struct record *r)
{
	int rc = model_load(r->model, &d->model, &d->no_model);

	if (rc == 0 && !curve_is_good(&d->model.curve, (double)d->floor / MB))
		rc = hy_err_set(&d->no_model, EINVAL, "model '%.200s': its curve is none from "
				"memory-min on", r->model);
	return rc;
}

static void find_model(struct decide *d, const struct record *r, const struct hy_log *log)
{
	d->no_model = (struct hy_err){ 0 };
	d->other_job[0] = '\0';
	d->has_model = r->model[0] && load_model(d, r) == 0;
	if (d->no_model.num)
		tell_of_model(d, r, log);
}

static void look_for_hope(struct decide *d, const struct record *r, const struct hy_log *log)
{
	double least_s = d->has_model ? curve_at(&d->model.curve, (double)d->ceiling / MB) : 0;

	d->is_hopeless = least_s * MS_PER_S > (double)r->slo_ms;
	if (d->is_hopeless)
		hy_log(log, HY_LOG_WARN, "vm '%s': slo %.3f s: by its model a job takes %.3f s "
		       "even with all its memory, so it gets all", r->name,
		       (double)r->slo_ms / MS_PER_S, least_s);
}

static void set_due(struct decide *d, uint64_t now_ms)
{
	d->interval_ms = d->by_law ? (uint64_t)(d->law.interval_s * MS_PER_S) :
				     d->interval_max_ms;
	d->due_ms = now_ms + d->interval_ms;
}

static uint64_t within(const struct decide *d, uint64_t bytes)
{
	if (bytes < d->floor)
		return d->floor;
	return bytes < d->ceiling ? bytes : d->ceiling;
}

void decide_begin(struct decide *d, const struct record *r, uint64_t bytes, uint64_t now_ms,
		  const struct hy_log *log)
{
	struct law_settings s;
	bool had_law = d->on && d->by_law;

	d->floor = record_memory_min(r);
	d->ceiling = record_memory(r);
	d->interval_max_ms = r->interval_max_ms;
	find_model(d, r, log);
	look_for_hope(d, r, log);
	s = settings_of(d, r);
	d->by_law = !law_settings_fault(&s);	/* else it needs a model, and there is none */
	if (d->by_law && had_law)
		law_change(&d->law, &s);
	else if (d->by_law)
		law_begin(&d->law, &s, (double)bytes / MB);
	d->wanted = within(d, d->by_law ? d->wanted : d->ceiling);
	d->on = true;
	if (!had_law || now_ms + r->interval_max_ms < d->due_ms)
		set_due(d, now_ms);
}

void decide_look(struct decide *d, const json_t *counters, uint64_t now_ms)
{
	measure_read(counters, now_ms, &d->from);
}

/* -- a decision -- */

static uint64_t bytes_of(double mb)
{
	return (uint64_t)llround(mb * MB);
}

/* A queue's wish is the model's, whatever there is: it is not learnt from what it gets. */
static void ask_law(struct decide *d, uint64_t bytes)
{
	double memory;

	if (d->seen.jobs >= d->law.set.jobs_min && d->law.set.scheme != LAW_QUEUE)
		law_given(&d->law, (double)bytes / MB);
	memory = law_decide(&d->law, &d->seen);
	if (d->law.reason != LAW_REASON_FEW_JOBS)
		d->wanted = within(d, bytes_of(memory));
}

void decide_now(struct decide *d, const json_t *counters, uint64_t bytes, uint64_t now_ms)
{
	struct measure now;

	measure_read(counters, now_ms, &now);
	measure_between(&d->from, &now, &d->seen, &d->service_s);
	d->from = now;
	d->decisions++;
	if (d->has_model && measure_names(counters, d->model.job, d->other_job))
		d->other_job[0] = '\0';
	if (d->by_law)
		ask_law(d, bytes);
	else
		d->wanted = d->ceiling;
	set_due(d, now_ms);
}

/* -- words -- */

void decide_reason_code(enum law_reason reason, char code[DECIDE_CODE_MAX])
{
	static const char *const names[LAW_REASONS_N] = {
#define NAME(name, what) [LAW_REASON_##name] = #name,
		LAW_REASONS(NAME)
#undef NAME
	};
	const char *from = reason < LAW_REASONS_N ? names[reason] : "UNKNOWN";
	char *to = code;

	for (; *from && to < code + DECIDE_CODE_MAX - 1; from++)
		*to++ = (char)(*from == '_' ? '-' : *from - 'A' + 'a');
	*to = '\0';
}

const char *decide_reason(const struct decide *d)
{
	return d->by_law ? law_reason_text(d->law.reason) :
			   "its scheme needs a model that can be read: it stays at the most";
}

void decide_code(const struct decide *d, char code[DECIDE_CODE_MAX])
{
	if (d->by_law)
		decide_reason_code(d->law.reason, code);
	else
		memcpy(code, "no-model", sizeof("no-model"));
}
