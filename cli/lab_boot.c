/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lab_boot.c - hylics lab boot
 *
 * Runs in: hylics
 * Reads from: the operator's command line
 */
#include "cli/lab_python.h"
#include "cli/verbs.h"

#define AT(member) .offset = offsetof(struct lab_boot_values, member)

const struct hy_opt lab_boot_options[] = {
	{ .name = "cmd", .type = HY_OPT_STRING, AT(cmd), .arg = "STRING",
	  .help = "shell command for each VM" },
	{ .name = "vms", .type = HY_OPT_INT, AT(vms), .arg = "N", .help = "how many at once",
	  .min = 1, .max = 64 },
	{ .name = "memory", .letter = 'm', .type = HY_OPT_SIZE, AT(memory_bytes), .arg = "SIZE",
	  .help = "memory of each VM", .min = INT64_C(64) << 20, .max = INT64_C(16) << 40 },
	{ .name = "vcpus", .type = HY_OPT_INT, AT(vcpus), .arg = "N",
	  .help = "virtual CPUs of each VM", .min = 1, .max = 64 },
	{ .name = "time-limit", .type = HY_OPT_DURATION, AT(time_limit_ms), .arg = "TIME",
	  .help = "for all of it", .min = 1000, .max = INT64_C(24) * 3600 * 1000 },
	{ .name = "keep-console", .type = HY_OPT_STRING, AT(keep_console), .arg = "FILE",
	  .help = "keep what the console printed; with several VMs in FILE.NAME" },
	{ .name = "json", .type = HY_OPT_FLAG, AT(json), .help = "print one JSON object" },
	{ .name = NULL },
};

const struct lab_boot_values lab_boot_defaults = {
	.cmd = "uname -a", .vms = 1, .memory_bytes = UINT64_C(1) << 30, .vcpus = 1,
	.time_limit_ms = UINT64_C(300) * 1000,
};

int lab_boot_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct lab_verb verb = {
		.name = "boot", .options = lab_boot_options, .values = values,
		.defaults = &lab_boot_defaults, .argc = argc, .argv = argv, .wall = true,
	};

	return lab_python_run(&verb, e);
}
