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

_Static_assert((int)RECORD_NIC_MAX <= (int)TWIN_NIC_TEXT_MAX, "the keeper takes what a record has");

const char *const record_cache_words[] = { "auto", "none", "always", NULL };
const char *const record_export_words[] = { "virtiofs", "9p", NULL };

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
	r->version = RECORD_VERSION;
	return 0;
}

uint64_t record_memory(const struct record *r)
{
	return r->memory ? r->memory : r->size;
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
