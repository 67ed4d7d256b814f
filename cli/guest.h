/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.h - what a VM is to be: options of the verbs that make one, and what its record says
 *
 * Runs in: hylics
 * Reads from: the operator's command line; hylicsd
 */
#ifndef HY_CLI_GUEST_H
#define HY_CLI_GUEST_H

#include <jansson.h>
#include <net/if.h>
#include <stdbool.h>

#include "cli/ask.h"
#include "cli/qemu_args.h"
#include "common/limits.h"
#include "common/unixsock.h"

struct guest_values {
	struct qemu_spec spec;
	int accel;
};

extern const char *const guest_accels[];

#define GUEST_DEFAULTS { .spec = { .memory_bytes = UINT64_C(1) << 30, .vcpus = 1 } }

/* What a guest boots and from what; @at is where a verb's values have their struct guest_values. */
#define GUEST_OPTIONS(at) \
	{ .name = "memory", .letter = 'm', .type = HY_OPT_SIZE, \
	  .offset = (at) + offsetof(struct guest_values, spec.memory_bytes), .arg = "SIZE", \
	  .help = "memory of the guest, a multiple of 1M", \
	  .min = INT64_C(16) << 20, .max = INT64_C(16) << 40 }, \
	{ .name = "vcpus", .type = HY_OPT_INT, \
	  .offset = (at) + offsetof(struct guest_values, spec.vcpus), .arg = "N", \
	  .help = "virtual CPUs", .min = 1, .max = 255 }, \
	{ .name = "accel", .type = HY_OPT_CHOICE, \
	  .offset = (at) + offsetof(struct guest_values, accel), .arg = "ACCEL", \
	  .help = "what runs the guest's instructions; auto takes kvm where the CPU has vmx or " \
		  "svm and /dev/kvm opens", .choices = guest_accels }, \
	{ .name = "kernel", .type = HY_OPT_STRING, \
	  .offset = (at) + offsetof(struct guest_values, spec.kernel), .arg = "FILE", \
	  .help = "kernel to start" }, \
	{ .name = "initrd", .type = HY_OPT_STRING, \
	  .offset = (at) + offsetof(struct guest_values, spec.initrd), .arg = "FILE", \
	  .help = "initial RAM disk, with --kernel" }, \
	{ .name = "append", .type = HY_OPT_STRING, \
	  .offset = (at) + offsetof(struct guest_values, spec.append), .arg = "STRING", \
	  .help = "command line of the kernel, with --kernel" }, \
	{ .name = "root-9p", .type = HY_OPT_STRING, \
	  .offset = (at) + offsetof(struct guest_values, spec.root_9p), .arg = "DIR", \
	  .help = "export DIR read-only over 9p with the tag 'root'" }, \
	{ .name = "disk", .type = HY_OPT_LIST, \
	  .offset = (at) + offsetof(struct guest_values, spec.disks), .arg = "FILE", \
	  .help = "disk; qcow2 if the name ends so, else raw" }

/* Texts that a struct qemu_spec points to, made of a record. */
struct guest_record {
	char channel[HY_UNIX_PATH_MAX + sizeof("serial:")];
	char share[HY_UNIX_PATH_MAX + sizeof(QEMU_SHARE_TAG "=")];
	char tap[HY_TWIN_NICS_MAX][IFNAMSIZ + sizeof(",mac=") + QEMU_MAC_LEN];
};

/**
 * guest_kvm() - Whether a VM is to run on KVM
 * @accel:	Value of the option
 *
 * Return: true if so; it is looked for where the operator did not say
 */
bool guest_kvm(int accel);

/**
 * guest_take() - Attach what hylicsd has for a VM: channel, share, NICs
 * @vm:		What hylicsd says of it
 * @r:		Filled; must outlive @spec
 * @spec:	Name, channel, first share and first taps are set
 * @e:		Error: EPROTO where hylicsd says something else than this command understands
 */
int guest_take(const json_t *vm, struct guest_record *r, struct qemu_spec *spec,
	       struct hy_err *e);

#endif
