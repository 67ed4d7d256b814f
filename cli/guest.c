/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.c - what a VM is to be: options of the verbs that make one, and what its record says
 *
 * Runs in: hylics
 * Reads from: the operator's command line; hylicsd
 */
#include "cli/guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/accel.h"

enum accel { ACCEL_AUTO, ACCEL_KVM, ACCEL_TCG };

const char *const guest_accels[] = {
	[ACCEL_AUTO] = "auto", [ACCEL_KVM] = "kvm", [ACCEL_TCG] = "tcg", NULL,
};

bool guest_kvm(int accel)
{
	if (accel == ACCEL_AUTO)
		return accel_kvm_usable("/proc/cpuinfo", "/dev/kvm");
	return accel == ACCEL_KVM;
}

/* "serial:" and the text of @key */
static int take_path(const json_t *vm, const char *key, const char *before, char *text,
		     size_t size, struct hy_err *e)
{
	const char *path = json_string_value(json_object_get(vm, key));
	int n = path && *path ? snprintf(text, size, "%s%s", before, path) : -1;

	if (n < 0 || (size_t)n >= size)
		return hy_err_set(e, EPROTO, "hylicsd names no %s that can be used", key);
	return 0;
}

/* "vnet3,52:54:00:12:34:56,10.0.0.2" to "vnet3,mac=52:54:00:12:34:56"; QEMU's words check both. */
static int take_nic(const char *nic, char *tap, size_t size, struct hy_err *e)
{
	size_t name = nic ? strcspn(nic, ",") : 0, mac;
	int n = -1;

	if (name && nic[name]) {
		mac = strcspn(nic + name + 1, ",");
		n = snprintf(tap, size, "%.*s,mac=%.*s", (int)name, nic, (int)mac, nic + name + 1);
	}
	if (n < 0 || (size_t)n >= size)
		return hy_err_set(e, EPROTO, "hylicsd names a NIC '%.64s'", nic ? nic : "");
	return 0;
}

static int take_nics(const json_t *nics, struct guest_record *r, struct qemu_spec *spec,
		     struct hy_err *e)
{
	size_t n = json_array_size(nics);
	struct hy_opt_list taps = { 0 };
	int rc = 0;

	if (n > HY_TWIN_NICS_MAX || n + spec->taps.n > HY_OPT_LIST_MAX)
		return hy_err_usage(e, "--tap", "--tap: with those of the record there are more "
				    "than %d", HY_OPT_LIST_MAX);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = take_nic(json_string_value(json_array_get(nics, i)), r->tap[i],
			      sizeof(r->tap[i]), e);
		taps.item[taps.n++] = r->tap[i];
	}
	for (unsigned int i = 0; i < spec->taps.n; i++)
		taps.item[taps.n++] = spec->taps.item[i];
	spec->taps = taps;
	return rc;
}

/* Without a socket of virtiofsd's it is QEMU that exports the share's folder. */
static int take_share(const json_t *vm, struct guest_record *r, struct qemu_spec *spec,
		      struct hy_err *e)
{
	bool virtiofs = json_object_get(vm, "virtiofs") != NULL;
	struct hy_opt_list *shares = virtiofs ? &spec->shares_virtiofs : &spec->shares_9p;

	if (shares->n == HY_OPT_LIST_MAX)
		return hy_err_usage(e, NULL, "too many shares beside the record's");
	shares->item[shares->n++] = r->share;
	return take_path(vm, virtiofs ? "virtiofs" : "share", QEMU_SHARE_TAG "=", r->share,
			 sizeof(r->share), e);
}

int guest_take(const json_t *vm, struct guest_record *r, struct qemu_spec *spec,
	       struct hy_err *e)
{
	int rc = take_path(vm, "channel", "serial:", r->channel, sizeof(r->channel), e);

	if (rc == 0)
		rc = take_share(vm, r, spec, e);
	if (rc < 0)
		return rc;
	spec->name = json_string_value(json_object_get(vm, "name"));
	spec->channel = r->channel;
	return take_nics(json_object_get(vm, "nics"), r, spec, e);
}
