/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor.c - hylics doctor
 *
 * Runs in: hylics
 * Reads from: the machine, by doctor_checks.c; hylicsd
 */
#include "cli/doctor.h"

#include <stdlib.h>
#include <unistd.h>

#include "cli/api.h"
#include "cli/verbs.h"

const struct hy_opt doctor_options[] = { ASK_OPTIONS };

struct tally {
	unsigned int n, bad, warnings;
};

static void print_finding(const char *name, const struct finding *f)
{
	static const char *const colours[] = {
		[DOCTOR_OK] = "\033[32m", [DOCTOR_WARNING] = "\033[33m", [DOCTOR_BAD] = "\033[31m",
		[DOCTOR_SKIPPED] = "\033[2m",
	};
	bool colour = isatty(STDOUT_FILENO);

	printf("%s%-8s%s  %-16s %s\n", colour ? colours[f->state] : "",
	       doctor_state_names[f->state], colour ? "\033[0m" : "", name, f->found);
	if (f->mend[0])
		printf("%-8s  %-16s -> %s\n", "", "", f->mend);
}

/* A path may be no UTF-8, or be cut within a letter. */
static json_t *text_json(const char *text)
{
	json_t *o = json_string(text);

	return o ? o : json_string("(no UTF-8)");
}

static void add_finding(json_t *list, const char *name, const struct finding *f)
{
	json_t *o = json_pack("{s:s, s:s, s:o}", "name", name, "state",
			      doctor_state_names[f->state], "found", text_json(f->found));

	if (f->mend[0])
		json_object_set_new(o, "mend", text_json(f->mend));
	json_array_append_new(list, o);
}

static void look_at_all(const struct doctor *d, json_t *list, struct tally *t)
{
	for (const struct doctor_check *c = doctor_checks; c->name; c++) {
		struct finding f = { 0 };

		c->look(d, &f);
		t->n++;
		t->bad += f.state == DOCTOR_BAD;
		t->warnings += f.state == DOCTOR_WARNING;
		if (list)
			add_finding(list, c->name, &f);
		else
			print_finding(c->name, &f);
	}
}

/* One object, with the error in it where there is one. */
static void print_json(json_t *list, const struct tally *t, const struct hy_err *e)
{
	json_t *o = json_pack("{s:o, s:i, s:i}", "checks", list, "bad", (int)t->bad, "warnings",
			      (int)t->warnings);

	if (e->num)
		json_object_set_new(o, "error", json_pack("{s:s, s:s}", "code", "failed", "message",
							  e->text));
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

static const char *run_dir_of(const struct ask_values *v)
{
	const char *env = getenv("HYLICS_RUN_DIR");

	if (v->run_dir)
		return v->run_dir;
	return env && *env ? env : "/run/hylics";
}

int doctor_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct ask_values *v = values;
	struct doctor d = { .root = "", .run_dir = run_dir_of(v), .live = true };
	json_t *host = NULL, *vms = NULL, *list = v->json ? json_array() : NULL;
	struct hy_err failed = { 0 };
	struct tally t = { 0 };

	(void)argc;
	(void)argv;
	if (api_call(v->run_dir, "GET", "/v1/host", NULL, &host, &d.no_host) == 0)
		(void)api_call(v->run_dir, "GET", "/v1/vms", NULL, &vms, NULL);
	d.host = host;
	d.vms = vms;
	look_at_all(&d, list, &t);
	json_decref(host);
	json_decref(vms);
	if (t.bad)
		hy_err_told(&failed, "failed", NULL, "something has to be mended");
	if (list)
		print_json(list, &t, &failed);
	if (!t.bad)
		return HY_EXIT_OK;
	if (list)
		fprintf(stderr, "hylics doctor: %s\n", failed.text);
	else
		*e = failed;
	return HY_EXIT_FAILED;
}
