/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm_add.c - hylics vm add
 *
 * Runs in: hylics
 * Reads from: the operator's command line; hylicsd
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli/verbs.h"

#define AT(member) .offset = offsetof(struct vm_add_values, member)

static const char *const caches[] = { "auto", "none", "always", NULL };
static const char *const controls[] = { "static", "dynamic", NULL };
static const char *const exports[] = { "auto", "virtiofs", "9p", NULL };

const struct hy_opt vm_add_options[] = {
	{ .name = "share", .letter = 's', .type = HY_OPT_SIZE, AT(share), .arg = "SIZE",
	  .help = "size of the share, as df in the guest shows it", .required = true,
	  .min = HY_SHARE_MIN, .max = HY_SHARE_MAX },
	{ .name = "memory", .letter = 'm', .type = HY_OPT_SIZE, AT(memory), .arg = "SIZE",
	  .help = "how much of it stays in memory, the rest is for swap (default: all)",
	  .min = HY_SHARE_MIN, .max = HY_SHARE_MAX },
	{ .name = "control", .type = HY_OPT_CHOICE, AT(control), .arg = "HOW",
	  .help = "dynamic: as much of that as the guest's jobs need for --slo (default static)",
	  .choices = controls },
	{ .name = "memory-min", .type = HY_OPT_SIZE, AT(memory_min), .arg = "SIZE",
	  .help = "the least there may be in memory with dynamic (default: an eighth)",
	  .min = HY_SHARE_MIN, .max = HY_SHARE_MAX },
	{ .name = "slo", .type = HY_OPT_STRING, AT(slo), .arg = "TIME",
	  .help = "mean response time of jobs that is wanted, such as 10s" },
	{ .name = "scheme", .type = HY_OPT_STRING, AT(scheme), .arg = "LAW",
	  .help = "ours, adaptive, queue or both: how memory is decided (default ours)" },
	{ .name = "model", .type = HY_OPT_STRING, AT(model), .arg = "FILE",
	  .help = "of the guest's jobs, by 'hylics lab run identify'" },
	{ .name = "idle", .type = HY_OPT_STRING, AT(idle), .arg = "TIME",
	  .help = "files not used so long leave memory with dynamic; 0s: none (default 60s)" },
	{ .name = "weight", .type = HY_OPT_INT, AT(weight), .arg = "N",
	  .help = "beside other VMs, where the budget is too small for all (default 100)",
	  .min = 1, .max = 10000 },
	{ .name = "interval-min", .type = HY_OPT_STRING, AT(interval_min), .arg = "TIME",
	  .help = "between two decisions, at least (default 30s)" },
	{ .name = "interval-max", .type = HY_OPT_STRING, AT(interval_max), .arg = "TIME",
	  .help = "between two decisions, at most (default 240s)" },
	{ .name = "inodes", .type = HY_OPT_INT, AT(inodes), .arg = "N",
	  .help = "most files of the share (default: one per 4 KB)",
	  .min = HY_SHARE_INODES_MIN, .max = HY_SHARE_INODES_MAX },
	{ .name = "tap", .type = HY_OPT_LIST, AT(taps), .arg = "IFNAME,MAC[,ADDRESS...]",
	  .help = "a NIC: its interface here, its MAC; addresses, else the guest tells them" },
	{ .name = "module", .type = HY_OPT_LIST, AT(modules), .arg = "NAME",
	  .help = "a server the guest may have the host run, see 'hylics module list'" },
	{ .name = "keep", .type = HY_OPT_STRING, AT(keep), .arg = "DIR",
	  .help = "save the content there when the share ends, load it when it begins" },
	{ .name = "cache", .type = HY_OPT_CHOICE, AT(cache), .arg = "MODE",
	  .help = "what of the share the guest may keep (default auto)", .choices = caches },
	{ .name = "export", .type = HY_OPT_CHOICE, AT(export), .arg = "HOW",
	  .help = "how the guest gets it: virtiofs, 9p; auto: 9p where there is no virtiofsd",
	  .choices = exports },
	{ .name = "domain", .type = HY_OPT_STRING, AT(domain), .arg = "NAME",
	  .help = "libvirt's name of the VM" },
	ASK_OPTIONS
};

/* A text that is not given is left out. */
static void add_text(json_t *o, const char *key, const char *text)
{
	if (text)
		json_object_set_new(o, key, json_string(text));
}

static void add_number(json_t *o, const char *key, uint64_t n)
{
	if (n)
		json_object_set_new(o, key, json_integer((json_int_t)n));
}

static void add_control(json_t *o, const struct vm_add_values *v)
{
	if (v->control)
		add_text(o, "control", controls[v->control]);
	add_number(o, "memory_min", v->memory_min);
	add_number(o, "weight", (uint64_t)v->weight);
	add_text(o, "slo", v->slo);
	add_text(o, "scheme", v->scheme);
	add_text(o, "model", v->model);
	add_text(o, "idle", v->idle);
	add_text(o, "interval_min", v->interval_min);
	add_text(o, "interval_max", v->interval_max);
}

static json_t *wish(const struct vm_add_values *v, const char *name)
{
	json_t *o = json_pack("{s:s, s:I, s:s}", "name", name, "size", (json_int_t)v->share,
			      "cache", caches[v->cache]);
	json_t *nics = json_array(), *modules = json_array();

	if (v->export)
		add_text(o, "export", exports[v->export]);
	add_number(o, "memory", v->memory);
	add_control(o, v);
	add_number(o, "inodes", (uint64_t)v->inodes);
	add_text(o, "keep", v->keep);
	add_text(o, "domain", v->domain);
	for (unsigned int i = 0; i < v->taps.n; i++)
		json_array_append_new(nics, json_string(v->taps.item[i]));
	json_object_set_new(o, "nics", nics);
	for (unsigned int i = 0; i < v->modules.n; i++)
		json_array_append_new(modules, json_string(v->modules.item[i]));
	json_object_set_new(o, "modules", modules);
	return o;
}

int vm_add_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct vm_add_values *v = values;
	json_t *answer = NULL, *body = wish(v, argv[0]);
	int rc = ask_call(&v->ask, "POST", "/v1/vms", body, &answer, e);

	(void)argc;
	json_decref(body);
	return rc < 0 ? hy_err_exit(e) : ask_show(&v->ask, answer, ask_show_vm);
}
