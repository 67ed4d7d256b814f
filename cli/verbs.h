/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verbs.h - the verbs of the hylics command, one file each; main.c puts them into one table
 *
 * Runs in: hylics
 * Reads from: the operator's command line
 *
 * A verb has an option table, the struct its values land in, what those are when nothing is given,
 * and run() as struct hy_cmd wants it.
 */
#ifndef HY_VERBS_H
#define HY_VERBS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/opt.h"
#include "cli/qemu_args.h"

extern const struct hy_cmd hylics_command;	/* the root: completion is made from it */

struct vm_qemu_args_values {
	struct qemu_spec spec;
	int accel;
	bool json;
};

struct lab_run_values {
	bool quick;
	const char *out;
	const char *arms;
	int64_t repeats;
	int64_t seed;
};

struct lab_boot_values {
	const char *cmd;
	int64_t vms;
	uint64_t memory_bytes;
	int64_t vcpus;
	uint64_t time_limit_ms;
	const char *keep_console;
	bool json;
};

extern const struct hy_opt vm_qemu_args_options[];
extern const struct vm_qemu_args_values vm_qemu_args_defaults;
/* The run() of each verb, as struct hy_cmd says. */
int vm_qemu_args_run(const void *values, int argc, char **argv, struct hy_err *e);

extern const struct hy_opt lab_run_options[];
extern const struct lab_run_values lab_run_defaults;
int lab_run_run(const void *values, int argc, char **argv, struct hy_err *e);

extern const struct hy_opt lab_boot_options[];
extern const struct lab_boot_values lab_boot_defaults;
int lab_boot_run(const void *values, int argc, char **argv, struct hy_err *e);

int lab_demo_run(const void *values, int argc, char **argv, struct hy_err *e);
int lab_list_run(const void *values, int argc, char **argv, struct hy_err *e);
int lab_prepare_run(const void *values, int argc, char **argv, struct hy_err *e);
int lab_exec_run(const void *values, int argc, char **argv, struct hy_err *e);
int lab_sweep_run(const void *values, int argc, char **argv, struct hy_err *e);
int completion_bash_run(const void *values, int argc, char **argv, struct hy_err *e);

#endif
