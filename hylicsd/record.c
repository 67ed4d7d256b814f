/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record.c - what a VM is to have, and what is right in it
 *
 * Runs in: hylicsd
 * Reads from: files below vms-dir, which may be cut short or edited by hand; API clients
 */
#include "hylicsd/record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/name.h"
#include "conf/path.h"
#include "hylicsd/uids.h"
#include "twin/nic.h"

#define BYTES_PER_INODE 4096
#define MB (UINT64_C(1) << 20)
#define MIN_PART 8			/* of a VM's memory: its least, where nothing is said */
#define TIME_MS_MAX (HY_JOB_US_MAX / 1000)	/* no job may take longer */
#define INTERVAL_MS_MIN 1000
#define INTERVAL_MS_MAX INT64_C(86400000)	/* a day */
#define WEIGHT 100
#define IDLE_MS 60000
#define INTERVAL_MIN_MS 30000
#define INTERVAL_MAX_MS 240000

_Static_assert((int)RECORD_NIC_MAX <= (int)TWIN_NIC_TEXT_MAX, "the keeper takes what a record has");

const char *const record_cache_words[] = { "auto", "none", "always", NULL };
const char *const record_export_words[] = { "virtiofs", "9p", NULL };
const char *const record_control_words[] = { "static", "dynamic", NULL };
const char *const record_scheme_words[] = { "ours", "adaptive", "queue", "both", NULL };

static int check_nic(const char *text, char *why, size_t size)
{
	struct twin_nic_spec spec;
	struct hy_err e = { 0 };

	if (twin_nic_parse(text, &spec, &e) == 0)
		return 0;
	snprintf(why, size, "%s", e.text);
	return -EINVAL;
}

static int check_domain(const char *text, char *why, size_t size)
{
	if (!strchr(text, '/'))
		return 0;
	snprintf(why, size, "is no name of a domain: it has a slash");
	return -EINVAL;
}

static int check_module(const char *text, char *why, size_t size)
{
	if (hy_name_valid(text))
		return 0;
	snprintf(why, size, "is no name of a module: 1 to %d of a-z, 0-9 and '-'", HY_NAME_MAX);
	return -EINVAL;
}

#define KEY(field) .offset = offsetof(struct record, field)
#define ROOM(field) .room = sizeof(((struct record *)NULL)->field)

static const struct ini_key keys[] = {
	{ .name = "uid", .type = HY_OPT_INT, KEY(uid), .arg = "UID", .required = true,
	  .min = UIDS_LOWEST, .max = UINT32_MAX,
	  .help = "user of the VM's worker; no other VM's" },
	{ .name = "size", .type = HY_OPT_SIZE, KEY(size), .arg = "SIZE", .required = true,
	  .min = HY_SHARE_MIN, .max = HY_SHARE_MAX,
	  .help = "of the share, as df in the guest shows it" },
	{ .name = "memory", .type = HY_OPT_SIZE, KEY(memory), .arg = "SIZE",
	  .min = HY_SHARE_MIN, .max = HY_SHARE_MAX,
	  .help = "how much of the share stays in memory; the rest is for swap (default: size)" },
	{ .name = "control", .type = HY_OPT_CHOICE, KEY(control), .arg = "HOW",
	  .choices = record_control_words,
	  .help = "static: that much; dynamic: as much as jobs need for slo (default static)" },
	{ .name = "memory-min", .type = HY_OPT_SIZE, KEY(memory_min), .arg = "SIZE",
	  .min = HY_SHARE_MIN, .max = HY_SHARE_MAX,
	  .help = "the least there may be in memory with dynamic (default: an eighth)" },
	{ .name = "slo", .type = HY_OPT_DURATION, KEY(slo_ms), .arg = "TIME",
	  .min = 1, .max = TIME_MS_MAX,
	  .help = "mean response time of jobs that is wanted; dynamic needs one" },
	{ .name = "scheme", .type = HY_OPT_CHOICE, KEY(scheme), .arg = "LAW",
	  .choices = record_scheme_words,
	  .help = "ours, adaptive, queue or both: how that is decided (default ours)" },
	{ .name = "model", .type = HY_OPT_STRING, KEY(model), ROOM(model), .arg = "FILE",
	  .check = path_check,
	  .help = "of the VM's jobs, by hylics lab run identify; queue and both need one" },
	{ .name = "idle", .type = HY_OPT_DURATION, KEY(idle_ms), .arg = "TIME",
	  .max = TIME_MS_MAX,
	  .help = "files not used so long leave memory; 0s: none does (default 60s)" },
	{ .name = "weight", .type = HY_OPT_INT, KEY(weight), .arg = "N", .min = 1,
	  .max = RECORD_WEIGHT_MAX,
	  .help = "beside other VMs, where their wishes are too much (default 100)" },
	{ .name = "interval-min", .type = HY_OPT_DURATION, KEY(interval_min_ms), .arg = "TIME",
	  .min = INTERVAL_MS_MIN, .max = INTERVAL_MS_MAX,
	  .help = "between two decisions, at least (default 30s)" },
	{ .name = "interval-max", .type = HY_OPT_DURATION, KEY(interval_max_ms), .arg = "TIME",
	  .min = INTERVAL_MS_MIN, .max = INTERVAL_MS_MAX,
	  .help = "between two decisions, at most (default 240s)" },
	{ .name = "inodes", .type = HY_OPT_INT, KEY(inodes), .arg = "N",
	  .min = HY_SHARE_INODES_MIN, .max = HY_SHARE_INODES_MAX,
	  .help = "most files of the share (default: one per 4 KB of its size)" },
	{ .name = "cache", .type = HY_OPT_CHOICE, KEY(cache), .arg = "MODE",
	  .choices = record_cache_words,
	  .help = "auto, none or always: what of the share the guest may keep (default auto)" },
	{ .name = "export", .type = HY_OPT_CHOICE, KEY(export), .arg = "HOW",
	  .choices = record_export_words,
	  .help = "virtiofs, or 9p by QEMU itself, which has to be root (default virtiofs)" },
	{ .name = "offload", .type = HY_OPT_FLAG, KEY(offload), .arg = "yes|no",
	  .help = "whether connections are moved to the host (default yes)" },
	{ .name = "keep", .type = HY_OPT_STRING, KEY(keep), ROOM(keep), .arg = "DIR",
	  .check = path_check,
	  .help = "where the content is saved when the share ends (default: nowhere)" },
	{ .name = "domain", .type = HY_OPT_STRING, KEY(domain), ROOM(domain), .arg = "NAME",
	  .check = check_domain,
	  .help = "libvirt's name of the VM, where its NICs are found" },
	{ .name = "nic", .type = HY_OPT_LIST, KEY(nic), ROOM(nic[0]), .items = HY_TWIN_NICS_MAX,
	  .n_offset = offsetof(struct record, n_nics), .arg = "EDGE,MAC[,ADDRESS...]",
	  .check = check_nic,
	  .help = "a NIC: its interface here, its MAC; addresses, else the guest tells them" },
	{ .name = "module", .type = HY_OPT_LIST, KEY(module), ROOM(module[0]),
	  .items = HY_MODULES_MAX, .n_offset = offsetof(struct record, n_modules), .arg = "NAME",
	  .check = check_module,
	  .help = "that the guest may have run for it, see modules-dir (default: none)" },
	/* the last, so that a file that was cut has none */
	{ .name = "version", .type = HY_OPT_INT, KEY(version), .arg = "N", .required = true,
	  .min = RECORD_VERSION, .max = RECORD_VERSION,
	  .help = "of this form, the last line" },
	{ 0 },
};

const struct ini_table record_table = {
	.section = "vm",
	.keys = keys,
	.values_size = sizeof(struct record),
	.whole = true,
	.head = "# What this VM is to have. Written by hylics, as by \"hylics vm set\", which\n"
		"# loses comments; what is edited by hand holds from hylicsd's next start on.\n"
		"# See hylicsd.conf(5).\n",
};

int record_init(struct record *r, const char *name, struct hy_err *e)
{
	if (!hy_name_valid(name))
		return hy_err_usage(e, "name", "name '%.64s': a name is 1 to %d of a-z, 0-9 and "
				    "'-', and does not start with '-'", name, HY_NAME_MAX);
	memset(r, 0, sizeof(*r));
	memcpy(r->name, name, strlen(name));
	r->cache = RECORD_CACHE_AUTO;
	r->export = RECORD_EXPORT_VIRTIOFS;
	r->offload = true;
	r->control = RECORD_CONTROL_STATIC;
	r->scheme = RECORD_SCHEME_OURS;
	r->idle_ms = IDLE_MS;
	r->weight = WEIGHT;
	r->interval_min_ms = INTERVAL_MIN_MS;
	r->interval_max_ms = INTERVAL_MAX_MS;
	r->version = RECORD_VERSION;
	return 0;
}

uint64_t record_memory(const struct record *r)
{
	return r->memory ? r->memory : r->size;
}

uint64_t record_memory_min(const struct record *r)
{
	uint64_t least = record_memory(r) / MIN_PART / MB * MB;

	if (r->memory_min)
		return r->memory_min;
	return least > HY_SHARE_MIN ? least : HY_SHARE_MIN;
}

uint64_t record_least(const struct record *r)
{
	return r->control == RECORD_CONTROL_DYNAMIC ? record_memory_min(r) : record_memory(r);
}

uint64_t record_inodes(const struct record *r)
{
	return r->inodes ? (uint64_t)r->inodes : r->size / BYTES_PER_INODE;
}

/* "vnet3" of "vnet3,52:54:..." */
static size_t edge_len(const char *nic)
{
	return strcspn(nic, ",");
}

static bool same_edge(const char *a, const char *b)
{
	return edge_len(a) == edge_len(b) && memcmp(a, b, edge_len(a)) == 0;
}

static int check_nics(const struct record *r, struct hy_err *e)
{
	struct twin_nic_spec spec;
	unsigned int addresses = 0;

	for (unsigned int i = 0; i < r->n_nics; i++) {
		for (unsigned int j = 0; j < i; j++)
			if (same_edge(r->nic[i], r->nic[j]))
				return hy_err_usage(e, "nic", "nic '%.64s': there is another on "
						    "'%.*s'", r->nic[i],
						    (int)edge_len(r->nic[i]), r->nic[i]);
		if (twin_nic_parse(r->nic[i], &spec, e) == 0)
			addresses += spec.n_addrs;
	}
	if (addresses > HY_TWIN_ADDRS_MAX)
		return hy_err_usage(e, "nic", "nic: %u addresses, at most %d of all together",
				    addresses, HY_TWIN_ADDRS_MAX);
	return 0;
}

static int check_modules(const struct record *r, struct hy_err *e)
{
	for (unsigned int i = 0; i < r->n_modules; i++) {
		for (unsigned int j = 0; j < i; j++) {
			if (strcmp(r->module[i], r->module[j]) == 0)
				return hy_err_usage(e, "module", "module '%s': is there twice",
						    r->module[i]);
		}
	}
	return 0;
}

/* What says nothing as long as the control is static must be right all the same. */
static int check_control(const struct record *r, struct hy_err *e)
{
	const bool dynamic = r->control == RECORD_CONTROL_DYNAMIC;
	const char *scheme = record_scheme_words[r->scheme];

	if (r->memory_min > record_memory(r))
		return hy_err_usage(e, "memory-min", "memory-min: is more than memory");
	if (r->interval_min_ms > r->interval_max_ms)
		return hy_err_usage(e, "interval-min", "interval-min: is more than interval-max");
	if (dynamic && r->export == RECORD_EXPORT_9P)
		return hy_err_usage(e, "control", "control 'dynamic': over 9p what is in the share "
				    "is charged to QEMU; use virtiofs");
	if (dynamic && !r->slo_ms)
		return hy_err_usage(e, "slo", "slo: is missing; control 'dynamic' needs the mean "
				    "response time that is wanted, such as slo=10s");
	if (dynamic && !r->model[0] && (r->scheme == RECORD_SCHEME_QUEUE ||
					r->scheme == RECORD_SCHEME_BOTH))
		return hy_err_usage(e, "model", "model: is missing; scheme '%s' needs what "
				    "'hylics lab run identify' has written", scheme);
	return 0;
}

int record_check(const struct record *r, struct hy_err *e)
{
	struct record named;
	int rc = record_init(&named, r->name, e);

	if (rc == 0)
		rc = ini_check(&record_table, r, e);
	if (rc < 0)
		return rc;
	if (!uids_valid((uint64_t)r->uid))
		return hy_err_usage(e, "uid", "uid %" PRId64 ": is not for VMs", r->uid);
	if (r->memory > r->size)
		return hy_err_usage(e, "memory", "memory: is more than the size of the share");
	if (r->export == RECORD_EXPORT_9P && record_memory(r) < r->size)
		return hy_err_usage(e, "memory", "memory: over 9p what is in the share is charged "
				    "to QEMU, so no less than the size can be held; leave memory "
				    "out, or use virtiofs");
	rc = check_control(r, e);
	if (rc == 0)
		rc = check_modules(r, e);
	return rc < 0 ? rc : check_nics(r, e);
}

static const char *common_edge(const struct record *r, const struct record *other)
{
	for (unsigned int i = 0; i < r->n_nics; i++)
		for (unsigned int j = 0; j < other->n_nics; j++)
			if (same_edge(r->nic[i], other->nic[j]))
				return r->nic[i];
	return NULL;
}

/* As hy_err_set(), about a key. */
static int clash(struct hy_err *e, int num, const char *key, const char *value, size_t len,
		 const struct record *other)
{
	int rc = hy_err_set(e, num, "%s '%.*s': is of '%s'", key, (int)(len < 64 ? len : 64), value,
			    other->name);

	if (e)
		snprintf(e->field, sizeof(e->field), "%s", key);
	return rc;
}

int record_clash(const struct record *r, const struct record *other, struct hy_err *e)
{
	const char *edge = common_edge(r, other);
	char uid[24];

	snprintf(uid, sizeof(uid), "%" PRId64, r->uid);
	if (r->uid == other->uid)
		return clash(e, EEXIST, "uid", uid, strlen(uid), other);
	if (r->domain[0] && strcmp(r->domain, other->domain) == 0)
		return clash(e, EEXIST, "domain", r->domain, strlen(r->domain), other);
	if (edge)
		return clash(e, EBUSY, "nic", edge, edge_len(edge), other);
	if (path_inside(r->keep, other->keep) || path_inside(other->keep, r->keep))
		return clash(e, EBUSY, "keep", r->keep, strlen(r->keep), other);
	return 0;
}
