/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm_qemu_args.c - hylics vm qemu-args
 *
 * Runs in: hylics
 * Reads from: the operator's command line
 */
#include <string.h>

#include "cli/accel.h"
#include "common/json.h"
#include "cli/verbs.h"

#define AT(member) .offset = offsetof(struct vm_qemu_args_values, member)

enum accel { ACCEL_AUTO, ACCEL_KVM, ACCEL_TCG };

static const char *const accels[] = {
	[ACCEL_AUTO] = "auto", [ACCEL_KVM] = "kvm", [ACCEL_TCG] = "tcg", NULL,
};

const struct hy_opt vm_qemu_args_options[] = {
	{ .name = "name", .letter = 'n', .type = HY_OPT_STRING, AT(spec.name), .arg = "NAME",
	  .help = "name of the VM: 1 to 63 of a-z, 0-9 and '-'", .required = true },
	{ .name = "memory", .letter = 'm', .type = HY_OPT_SIZE, AT(spec.memory_bytes),
	  .arg = "SIZE", .help = "memory of the guest, a multiple of 1M",
	  .min = INT64_C(16) << 20, .max = INT64_C(16) << 40 },
	{ .name = "vcpus", .type = HY_OPT_INT, AT(spec.vcpus), .arg = "N",
	  .help = "virtual CPUs", .min = 1, .max = 255 },
	{ .name = "accel", .type = HY_OPT_CHOICE, AT(accel), .arg = "ACCEL",
	  .help = "what runs the guest's instructions; auto takes kvm where the CPU has vmx or "
		  "svm and /dev/kvm opens", .choices = accels },
	{ .name = "kernel", .type = HY_OPT_STRING, AT(spec.kernel), .arg = "FILE",
	  .help = "kernel to start" },
	{ .name = "initrd", .type = HY_OPT_STRING, AT(spec.initrd), .arg = "FILE",
	  .help = "initial RAM disk, with --kernel" },
	{ .name = "append", .type = HY_OPT_STRING, AT(spec.append), .arg = "STRING",
	  .help = "command line of the kernel, with --kernel" },
	{ .name = "root-9p", .type = HY_OPT_STRING, AT(spec.root_9p), .arg = "DIR",
	  .help = "export DIR read-only over 9p with the tag 'root'" },
	{ .name = "channel", .type = HY_OPT_STRING, AT(spec.channel),
	  .arg = "serial:PATH|vsock:CID",
	  .help = "how the agent is reached: a serial port whose socket QEMU makes at PATH, or "
		  "vsock" },
	{ .name = "tap", .type = HY_OPT_LIST, AT(spec.taps), .arg = "IFNAME[,mac=MAC]",
	  .help = "network interface on an existing tap; without MAC the address is made from "
		  "the VM's name" },
	{ .name = "share-9p", .type = HY_OPT_LIST, AT(spec.shares_9p), .arg = "TAG=DIR",
	  .help = "export DIR over 9p" },
	{ .name = "share-virtiofs", .type = HY_OPT_LIST, AT(spec.shares_virtiofs),
	  .arg = "TAG=SOCKET", .help = "export what the virtiofsd at SOCKET serves" },
	{ .name = "disk", .type = HY_OPT_LIST, AT(spec.disks), .arg = "FILE",
	  .help = "disk; qcow2 if the name ends so, else raw" },
	{ .name = "console", .type = HY_OPT_STRING, AT(spec.console), .arg = "FILE|stdio",
	  .help = "where the serial console goes; without it there is none" },
	{ .name = "qmp", .type = HY_OPT_STRING, AT(spec.qmp), .arg = "SOCKET",
	  .help = "control socket that QEMU makes" },
	{ .name = "pidfile", .type = HY_OPT_STRING, AT(spec.pidfile), .arg = "FILE",
	  .help = "where QEMU writes its process id" },
	{ .name = "json", .type = HY_OPT_FLAG, AT(json),
	  .help = "print {\"argv\":[...],\"accelerator\":\"kvm|tcg\"}" },
	{ .name = NULL },
};

const struct vm_qemu_args_values vm_qemu_args_defaults = {
	.spec = { .memory_bytes = UINT64_C(1) << 30, .vcpus = 1 },
	.accel = ACCEL_AUTO,
};

static bool choose_kvm(int accel)
{
	if (accel == ACCEL_AUTO)
		return accel_kvm_usable("/proc/cpuinfo", "/dev/kvm");
	return accel == ACCEL_KVM;
}

/* Quotes what a shell would not leave alone. */
static void print_word(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789%+,-./:=@_";

	if (*word && word[strspn(word, plain)] == '\0') {
		fputs(word, stdout);
		return;
	}
	putchar('\'');
	for (; *word; word++) {
		if (*word == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*word);
	}
	putchar('\'');
}

static void print_line(const struct qemu_args *args)
{
	for (unsigned int i = 0; i < args->n; i++) {
		if (i)
			putchar(' ');
		print_word(args->argv[i]);
	}
	putchar('\n');
}

/* A path with other bytes would come out as the path of another file. */
static int check_json(const struct qemu_args *args, struct hy_err *e)
{
	for (unsigned int i = 0; i < args->n; i++)
		if (!hy_json_lossless(args->argv[i]))
			return hy_err_usage(e, "--json", "--json cannot carry '%s', which is not "
					    "UTF-8", args->argv[i]);
	return 0;
}

static void print_json(const struct qemu_args *args, bool kvm)
{
	fputs("{\"argv\":[", stdout);
	for (unsigned int i = 0; i < args->n; i++) {
		if (i)
			putchar(',');
		hy_json_string(stdout, args->argv[i]);
	}
	printf("],\"accelerator\":\"%s\"}\n", kvm ? "kvm" : "tcg");
}

int vm_qemu_args_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct vm_qemu_args_values *v = values;
	struct qemu_args args = { 0 };
	bool kvm = choose_kvm(v->accel);
	int rc = qemu_args_build(&v->spec, kvm, &args, e);

	(void)argc;
	(void)argv;
	if (rc == 0 && v->json)
		rc = check_json(&args, e);
	if (rc == 0 && v->json)
		print_json(&args, kvm);
	else if (rc == 0)
		print_line(&args);
	qemu_args_free(&args);
	return rc == 0 ? HY_EXIT_OK : hy_err_exit(e);
}
