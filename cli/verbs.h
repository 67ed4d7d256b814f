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
#include "cli/ask.h"
#include "cli/guest.h"

extern const struct hy_cmd hylics_command;	/* the root: completion is made from it */

struct vm_qemu_args_values {
	struct ask_values ask;		/* first: see ASK_RUN_DIR */
	struct guest_values guest;
};

struct vm_run_values {
	struct ask_values ask;
	struct guest_values guest;
	const char *bridge;
};

struct vm_list_values {
	struct ask_values ask;
	bool names;
};

struct vm_add_values {
	struct ask_values ask;		/* first: see ASK_OPTIONS */
	uint64_t share, memory, memory_min;
	int64_t inodes, weight;
	struct hy_opt_list taps, modules;
	const char *keep, *domain;
	const char *slo, *scheme, *model, *idle, *interval_min, *interval_max;
	int cache, export, control;
};

struct vm_remove_values {
	struct ask_values ask;
	bool force;
};

struct lab_run_values {
	bool quick;
	const char *out;
	const char *arms;
	int64_t repeats;
	int64_t seed;
};

struct lab_demo_values {
	int64_t rounds;
	const char *out;
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

extern const struct hy_opt vm_run_options[];
extern const struct vm_run_values vm_run_defaults;
int vm_run_run(const void *values, int argc, char **argv, struct hy_err *e);

/* Those whose values are a struct ask_values but for add, list, remove, drain and offload. */
extern const struct hy_opt vm_add_options[], vm_list_options[], vm_show_options[];
extern const struct hy_opt vm_libvirt_xml_options[];
extern const struct hy_opt vm_set_options[], vm_remove_options[], vm_offload_options[];
extern const struct hy_opt vm_pages_options[];
extern const struct hy_opt vm_drain_options[];
extern const struct hy_opt why_options[], status_options[], doctor_options[];
extern const struct hy_opt module_list_options[];
int vm_add_run(const void *values, int argc, char **argv, struct hy_err *e);
int vm_list_run(const void *values, int argc, char **argv, struct hy_err *e);
int vm_show_run(const void *values, int argc, char **argv, struct hy_err *e);
int vm_set_run(const void *values, int argc, char **argv, struct hy_err *e);
int vm_remove_run(const void *values, int argc, char **argv, struct hy_err *e);
int vm_drain_run(const void *values, int argc, char **argv, struct hy_err *e);
int vm_offload_run(const void *values, int argc, char **argv, struct hy_err *e);
int vm_pages_run(const void *values, int argc, char **argv, struct hy_err *e);
int vm_libvirt_xml_run(const void *values, int argc, char **argv, struct hy_err *e);
int module_list_run(const void *values, int argc, char **argv, struct hy_err *e);
int why_run(const void *values, int argc, char **argv, struct hy_err *e);
int status_run(const void *values, int argc, char **argv, struct hy_err *e);
int doctor_run(const void *values, int argc, char **argv, struct hy_err *e);

extern const struct hy_opt lab_run_options[];
extern const struct lab_run_values lab_run_defaults;
int lab_run_run(const void *values, int argc, char **argv, struct hy_err *e);

extern const struct hy_opt lab_demo_options[];
extern const struct lab_demo_values lab_demo_defaults;
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
