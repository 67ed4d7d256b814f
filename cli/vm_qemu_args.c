/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm_qemu_args.c - hylics vm qemu-args
 *
 * Runs in: hylics
 * Reads from: the operator's command line; hylicsd
 */
#include <string.h>

#include "common/json.h"
#include "cli/quote.h"
#include "cli/verbs.h"

#define AT(member) .offset = offsetof(struct vm_qemu_args_values, guest.member)

const struct hy_opt vm_qemu_args_options[] = {
	{ .name = "name", .letter = 'n', .type = HY_OPT_STRING, AT(spec.name), .arg = "NAME",
	  .help = "name of a VM that hylicsd is not asked about, instead of the argument" },
	GUEST_OPTIONS(offsetof(struct vm_qemu_args_values, guest)),
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
	{ .name = "console", .type = HY_OPT_STRING, AT(spec.console), .arg = "FILE|stdio",
	  .help = "where the serial console goes; without it there is none" },
	{ .name = "qmp", .type = HY_OPT_STRING, AT(spec.qmp), .arg = "SOCKET",
	  .help = "control socket that QEMU makes" },
	{ .name = "pidfile", .type = HY_OPT_STRING, AT(spec.pidfile), .arg = "FILE",
	  .help = "where QEMU writes its process id" },
	ASK_RUN_DIR,
	{ .name = "json", .type = HY_OPT_FLAG, .offset = offsetof(struct ask_values, json),
	  .help = "print {\"argv\":[...],\"accelerator\":\"kvm|tcg\"}" },
	{ .name = NULL },
};

const struct vm_qemu_args_values vm_qemu_args_defaults = { .guest = GUEST_DEFAULTS };

static void print_line(const struct qemu_args *args)
{
	for (unsigned int i = 0; i < args->n; i++) {
		if (i)
			putchar(' ');
		quote_print(stdout, args->argv[i]);
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

static int print(const struct qemu_spec *spec, bool kvm, bool json, struct hy_err *e)
{
	struct qemu_args args = { 0 };
	int rc = qemu_args_build(spec, kvm, &args, e);

	if (rc == 0 && json)
		rc = check_json(&args, e);
	if (rc == 0 && json)
		print_json(&args, kvm);
	else if (rc == 0)
		print_line(&args);
	qemu_args_free(&args);
	return rc;
}

/* Which of the two ways to name it is used, and that it is one. */
static int check_name(const struct qemu_spec *s, int argc, struct hy_err *e)
{
	if (argc && s->name)
		return hy_err_usage(e, "--name", "--name '%.64s' and NAME: only one of them",
				    s->name);
	if (!argc && !s->name)
		return hy_err_usage(e, "--name", "which VM? NAME, or --name for one that hylicsd "
				    "does not know");
	if (argc && s->channel)
		return hy_err_usage(e, "--channel", "--channel: NAME's record has it already");
	return 0;
}

int vm_qemu_args_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct vm_qemu_args_values *v = values;
	struct qemu_spec spec = v->guest.spec;
	struct guest_record record;
	json_t *vm = NULL;
	int rc = check_name(&spec, argc, e);

	if (rc == 0 && argc)
		rc = ask_vm(&v->ask, "GET", argv[0], "", NULL, &vm, e);
	if (rc == 0 && argc)
		rc = guest_take(vm, &record, &spec, e);
	if (rc == 0)
		rc = print(&spec, guest_kvm(v->guest.accel), v->ask.json, e);
	json_decref(vm);
	return rc == 0 ? HY_EXIT_OK : hy_err_exit(e);
}
