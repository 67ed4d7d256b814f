/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wish.c - what clients of the API want a VM to have, put into its record
 *
 * Runs in: hylicsd
 * Reads from: clients of the API; files of modules and models that they name
 */
#include "hylicsd/wish.h"

#include <errno.h>
#include <string.h>

#include "conf/module.h"
#include "hylicsd/model.h"

/* What a client wants a VM to have; a member that was not given leaves it as it is. */
struct wish {
	const char *name, *cache, *export, *keep, *domain;
	const char *control, *slo, *scheme, *model, *idle, *interval_min, *interval_max;
	uint64_t size, memory, memory_min, weight, inodes;
	struct take_list nics, modules;
	bool offload;
};

#define WORD_MAX 32
#define AT(field) .offset = offsetof(struct wish, field)
#define WORD(field) \
	{ .name = #field, .type = TAKE_STRING, AT(field), .min = 1, .max = WORD_MAX }
#define WISHES \
	{ .name = "memory", .type = TAKE_SIZE, AT(memory), .max = HY_SHARE_MAX }, \
	WORD(control), \
	{ .name = "memory_min", .type = TAKE_SIZE, AT(memory_min), .max = HY_SHARE_MAX }, \
	{ .name = "slo", .type = TAKE_STRING, AT(slo), .max = WORD_MAX }, \
	WORD(scheme), \
	{ .name = "model", .type = TAKE_STRING, AT(model), .max = HY_PATH_MAX }, \
	WORD(idle), \
	{ .name = "weight", .type = TAKE_SIZE, AT(weight), .min = 1, .max = RECORD_WEIGHT_MAX }, \
	WORD(interval_min), \
	WORD(interval_max), \
	{ .name = "inodes", .type = TAKE_SIZE, AT(inodes), .max = HY_SHARE_INODES_MAX }, \
	{ .name = "cache", .type = TAKE_STRING, AT(cache), .min = 1, .max = 16 }, \
	{ .name = "export", .type = TAKE_STRING, AT(export), .min = 1, .max = 16 }, \
	{ .name = "keep", .type = TAKE_STRING, AT(keep), .max = HY_PATH_MAX }, \
	{ .name = "domain", .type = TAKE_STRING, AT(domain), .max = RECORD_DOMAIN_MAX - 1 }, \
	{ .name = "nics", .type = TAKE_LIST, AT(nics), .max = HY_TWIN_NICS_MAX }, \
	{ .name = "modules", .type = TAKE_LIST, AT(modules), .max = HY_MODULES_MAX }, \
	{ .name = "offload", .type = TAKE_BOOL, AT(offload) }, \
	{ .name = NULL }

const struct take_member wish_add_members[] = {
	{ .name = "name", .type = TAKE_STRING, AT(name), .min = 1, .max = HY_NAME_MAX,
	  .required = true },
	{ .name = "size", .type = TAKE_SIZE, AT(size), .min = HY_SHARE_MIN, .max = HY_SHARE_MAX,
	  .required = true },
	WISHES
};

const struct take_member wish_set_members[] = {
	{ .name = "size", .type = TAKE_SIZE, AT(size), .min = HY_SHARE_MIN, .max = HY_SHARE_MAX },
	WISHES
};

static int set_text(struct record *r, const char *key, const char *text, struct hy_err *e)
{
	return ini_set(&record_table, key, text, r, e);
}

static int fill_nics(struct record *r, const struct take_list *nics, struct hy_err *e)
{
	int rc = 0;

	r->n_nics = 0;
	for (unsigned int i = 0; rc == 0 && i < nics->n; i++)
		rc = set_text(r, "nic", nics->item[i], e);
	return rc;
}

/* An operator's typing mistake is told here; a file that goes later is told by the keeper. */
static int fill_modules(const char *dir, struct record *r, const struct take_list *names,
			struct hy_err *e)
{
	static struct module conf;	/* large; one loop */
	int rc = 0;

	r->n_modules = 0;
	for (unsigned int i = 0; rc == 0 && i < names->n; i++) {
		rc = set_text(r, "module", names->item[i], e);
		if (rc == 0)
			rc = module_read(dir, names->item[i], &conf, e);
		if (rc == -ENOENT)
			rc = hy_err_usage(e, "modules", "module '%s': there is none of that name "
					  "in '%s'; 'hylics module list' shows all",
					  names->item[i], dir);
	}
	return rc;
}

/* A text that is given but empty takes away what was there, where that can be nothing. */
static int fill_texts(struct record *r, const struct wish *w, struct hy_err *e)
{
	const struct {
		const char *key, *text;
		char *place;			/* NULL: cannot be nothing */
	} texts[] = {
		{ "cache", w->cache, NULL }, { "export", w->export, NULL },
		{ "keep", w->keep, r->keep }, { "domain", w->domain, r->domain },
		{ "control", w->control, NULL }, { "scheme", w->scheme, NULL },
		{ "model", w->model, r->model }, { "idle", w->idle, NULL },
		{ "interval-min", w->interval_min, NULL },
		{ "interval-max", w->interval_max, NULL },
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!texts[i].text)
			continue;
		if (texts[i].place)
			texts[i].place[0] = '\0';
		if (*texts[i].text || !texts[i].place)
			rc = set_text(r, texts[i].key, texts[i].text, e);
	}
	return rc;
}

static int fill_slo(struct record *r, const char *text, struct hy_err *e)
{
	if (text && *text)
		return set_text(r, "slo", text, e);
	if (text)
		r->slo_ms = 0;
	return 0;
}

/* As with modules: what cannot be used is told whoever types its name. */
static int check_model(const struct record *r, const struct wish *w, struct hy_err *e)
{
	struct model m;
	int rc = w->model && *w->model ? model_load(r->model, &m, e) : 0;

	if (rc < 0)
		hy_err_add(e, "model");
	if (rc < 0 && e)
		snprintf(e->field, sizeof(e->field), "model");
	return rc;
}

static int fill_lists(const char *modules_dir, struct record *r, const struct wish *w,
		      struct hy_err *e)
{
	int rc = w->nics.n <= TAKE_LIST_MAX ? fill_nics(r, &w->nics, e) : 0;

	if (rc == 0 && w->modules.n <= TAKE_LIST_MAX)
		rc = fill_modules(modules_dir, r, &w->modules, e);
	return rc;
}

static int fill(const char *modules_dir, struct record *r, json_t *body,
		const struct take_member *members, struct wish *w, struct hy_err *e)
{
	int rc;

	w->size = r->size;
	w->memory = r->memory;
	w->memory_min = r->memory_min;
	w->weight = (uint64_t)r->weight;
	w->inodes = (uint64_t)r->inodes;
	w->offload = r->offload;
	w->nics.n = w->modules.n = TAKE_LIST_MAX + 1;	/* not given */
	rc = take_object(body, members, w, NULL, e);
	if (rc < 0)
		return rc;
	r->size = w->size;
	r->memory = w->memory;
	r->memory_min = w->memory_min;
	r->weight = (int64_t)w->weight;
	r->inodes = (int64_t)w->inodes;
	r->offload = w->offload;
	rc = fill_texts(r, w, e);
	if (rc == 0)
		rc = fill_slo(r, w->slo, e);
	if (rc == 0)
		rc = check_model(r, w, e);
	return rc < 0 ? rc : fill_lists(modules_dir, r, w, e);
}

int wish_add(struct record *r, json_t *body, const char *modules_dir, bool *is_exported,
	     struct hy_err *e)
{
	struct wish w = { 0 };
	/* the name first: it is what the rest is about */
	int rc = take_object(body, wish_add_members, &w, NULL, e);

	if (rc == 0)
		rc = record_init(r, w.name, e);
	if (rc == 0)
		rc = fill(modules_dir, r, body, wish_add_members, &w, e);
	*is_exported = w.export != NULL;
	return rc;
}

int wish_set(struct record *r, json_t *body, const char *modules_dir, struct hy_err *e)
{
	struct wish w = { 0 };

	return fill(modules_dir, r, body, wish_set_members, &w, e);
}
