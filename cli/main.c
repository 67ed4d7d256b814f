/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - the table of the hylics command
 *
 * Runs in: hylics
 * Reads from: the operator's command line
 */
#include "cli/home.h"
#include "cli/verbs.h"
#include "common/limits.h"

#define ASKS(word) .options = word##_options, .values_size = sizeof(struct ask_values), \
	.run = word##_run

#define WORDS_MAX 1024		/* of a command for a guest */
#define NAMES "vm list --names"	/* what prints the names of VMs */

static const struct hy_cmd vm_commands[] = {
	{ .name = "add",
	  .args = "NAME",
	  .summary = "give a VM a share, and a keeper for its connections",
	  .details = "Prints what was made: the share's folder here, the socket of its virtiofsd "
		     "and the place where QEMU is to make the channel's. A VM that runs already "
		     "gets them when it is started the next time.",
	  .options = vm_add_options,
	  .values_size = sizeof(struct vm_add_values),
	  .min_args = 1, .max_args = 1,
	  .run = vm_add_run },
	{ .name = "list",
	  .summary = "list the VMs",
	  .options = vm_list_options,
	  .values_size = sizeof(struct vm_list_values),
	  .run = vm_list_run },
	{ .name = "show",
	  .args = "NAME",
	  .summary = "show what a VM has",
	  .names = NAMES,
	  .min_args = 1, .max_args = 1,
	  ASKS(vm_show) },
	{ .name = "set",
	  .args = "NAME KEY=VALUE...",
	  .summary = "change what a VM has, while it is in use",
	  .details = "Keys: size and memory (64M), inodes, cache (auto, none, always), export "
		     "(virtiofs, 9p), keep (a folder), domain, nic (IFNAME,MAC[,ADDRESS...], once "
		     "for each; all of them are replaced), module (likewise), control (static, "
		     "dynamic), slo (10s), memory-min, scheme (ours, both, adaptive, queue), "
		     "model (a file's absolute path), idle, weight, interval-min, interval-max. "
		     "An empty value takes away slo, model, keep, domain, nic or module; 0 brings "
		     "back the default of memory, memory-min and inodes.",
	  .names = NAMES,
	  .min_args = 2, .max_args = 64,
	  ASKS(vm_set) },
	{ .name = "remove",
	  .args = "NAME",
	  .summary = "take a VM's share and keeper away",
	  .details = "Its connections come home first; its content is saved if it is to be kept, "
		     "else it is gone.",
	  .options = vm_remove_options,
	  .values_size = sizeof(struct vm_remove_values),
	  .names = NAMES,
	  .min_args = 1, .max_args = 1,
	  .run = vm_remove_run },
	{ .name = "drain",
	  .args = "NAME",
	  .summary = "bring all of a VM's connections home, before a migration or an upgrade",
	  .details = "New ones stay in the guest until 'hylics vm offload NAME on'. The VM's "
		     "keeper and worker run on.",
	  .options = vm_drain_options,
	  .values_size = sizeof(struct home_values),
	  .defaults = &home_defaults,
	  .names = NAMES,
	  .min_args = 1, .max_args = 1,
	  .run = vm_drain_run },
	{ .name = "offload",
	  .args = "NAME on|off",
	  .summary = "let a VM's connections move to the host, or bring them all home",
	  .details = "It is part of the VM's record. on also ends a drain.",
	  .options = vm_offload_options,
	  .values_size = sizeof(struct home_values),
	  .defaults = &home_defaults,
	  .names = NAMES,
	  .min_args = 2, .max_args = 2,
	  .run = vm_offload_run },
	{ .name = "pages",
	  .args = "NAME out|in PATH...",
	  .summary = "put files of a VM's share out of memory, or bring them back",
	  .details = "Paths are those in the share; regular files only, and no symlinks. Without "
		     "swap nothing goes out. Tells how much of each is in memory then, and was "
		     "before.",
	  .names = NAMES,
	  .min_args = 3, .max_args = 2 + HY_PAGES_FILES_MAX,
	  ASKS(vm_pages) },
	{ .name = "run",
	  .args = "NAME [-- CMD...]",
	  .summary = "boot a VM with its share, channel and NICs attached",
	  .details = "The serial console is this terminal. Interfaces of the record's NICs that "
		     "are not there are made, and go with the VM. Ctrl-C and SIGTERM push the "
		     "power button of a VM that has a disk, and end it after 30 s or at the "
		     "second time; without a disk they end it at once.\n\n"
		     "CMD runs in the guest and then the VM ends; the exit code is CMD's. The "
		     "guest finds it in its firmware's configuration, as opt/io.hylics/run, a "
		     "shell script, and has to tell the exit code at the port io.hylics.run.0: "
		     "hylics(1) has the lines for that.",
	  .options = vm_run_options,
	  .values_size = sizeof(struct vm_run_values),
	  .defaults = &vm_run_defaults,
	  .min_args = 1, .max_args = WORDS_MAX,
	  .names = NAMES,
	  .run = vm_run_run },
	{ .name = "libvirt-xml",
	  .args = "NAME",
	  .summary = "print what a VM's libvirt domain has to have",
	  .details = "Pieces of XML for 'virsh edit', each with the place it goes to.",
	  .min_args = 1, .max_args = 1,
	  .names = NAMES,
	  ASKS(vm_libvirt_xml) },
	{ .name = "qemu-args",
	  .args = "[NAME]",
	  .summary = "print the QEMU command line of a VM",
	  .details = "Of NAME it has share, channel and NICs as hylicsd has them; with --name "
		     "nobody is asked. Prints one line for a shell, or with --json an object "
		     "with the words as a list. Nothing is started and nothing is checked on the "
		     "machine but whether KVM can be used.",
	  .max_args = 1,
	  .names = NAMES,
	  .options = vm_qemu_args_options,
	  .values_size = sizeof(struct vm_qemu_args_values),
	  .defaults = &vm_qemu_args_defaults,
	  .run = vm_qemu_args_run },
	{ .name = NULL },
};

static const struct hy_cmd module_commands[] = {
	{ .name = "list",
	  .summary = "list the servers that guests may have run for them",
	  .details = "As they are described now, and what is wrong with a description.",
	  ASKS(module_list) },
	{ .name = NULL },
};

static const struct hy_cmd lab_commands[] = {
	{ .name = "list",
	  .summary = "list the experiments",
	  .run = lab_list_run },
	{ .name = "prepare",
	  .summary = "fetch and unpack what the lab's VMs boot from (needs the network)",
	  .run = lab_prepare_run },
	{ .name = "demo",
	  .summary = "jobs and deliveries of a VM, plain and with Hylics",
	  .details = "Prints a table and writes a page with pictures.",
	  .options = lab_demo_options,
	  .values_size = sizeof(struct lab_demo_values),
	  .defaults = &lab_demo_defaults,
	  .run = lab_demo_run },
	{ .name = "run",
	  .args = "NAME",
	  .summary = "run an experiment inside the wall and write its report",
	  .details = "Writes result.json, report.md and plots.",
	  .options = lab_run_options,
	  .values_size = sizeof(struct lab_run_values),
	  .defaults = &lab_run_defaults,
	  .min_args = 1, .max_args = 1,
	  .run = lab_run_run },
	{ .name = "boot",
	  .summary = "boot VMs inside the wall, run a command in each, print times",
	  .options = lab_boot_options,
	  .values_size = sizeof(struct lab_boot_values),
	  .defaults = &lab_boot_defaults,
	  .run = lab_boot_run },
	{ .name = "exec",
	  .args = "-- CMD...",
	  .summary = "run a command inside the wall",
	  .details = "The wall is a set of new namespaces (processes, mounts, network, IPC, host "
		     "name). When the command ends, or this program is killed in any way, every "
		     "process, mount and interface made inside goes too. The exit code is the "
		     "command's, 128 and the signal's number if a signal ended it, 77 where the "
		     "right to make namespaces is missing.\n\n"
		     "SIGINT, SIGTERM and SIGHUP are handed to the command once; at the second of "
		     "them, or 10 seconds later, everything inside is killed. SIGQUIT kills at "
		     "once.",
	  .min_args = 1, .max_args = -1,
	  .run = lab_exec_run },
	{ .name = "sweep",
	  .summary = "remove the cgroups that killed labs have left",
	  .details = "Every start of the wall does the same.",
	  .run = lab_sweep_run },
	{ .name = NULL },
};

static const struct hy_cmd completion_commands[] = {
	{ .name = "bash",
	  .summary = "print a completion script for bash",
	  .details = "To use it: source <(hylics completion bash)",
	  .run = completion_bash_run },
	{ .name = NULL },
};

static const struct hy_cmd groups[] = {
	{ .name = "vm", .summary = "virtual machines", .sub = vm_commands },
	{ .name = "module", .summary = "servers that guests may have run for them",
	  .sub = module_commands },
	{ .name = "why",
	  .args = "NAME",
	  .summary = "tell why connections of a VM were not moved, with counts",
	  .names = NAMES,
	  .min_args = 1, .max_args = 1,
	  ASKS(why) },
	{ .name = "status",
	  .summary = "tell what hylicsd has promised, and what it has",
	  ASKS(status) },
	{ .name = "doctor",
	  .summary = "look whether this machine has what Hylics needs, and tell how to mend it",
	  .details = "Nothing is changed. The exit code is 1 if anything has to be mended; "
		     "warnings are no failure.",
	  ASKS(doctor) },
	{ .name = "lab", .summary = "experiments, walled off from the machine",
	  .sub = lab_commands },
	{ .name = "completion", .summary = "completion for shells", .sub = completion_commands },
	{ .name = NULL },
};

const struct hy_cmd hylics_command = {
	.name = "hylics",
	.summary = "move bulk data out of virtual machines",
	.sub = groups,
};

int main(int argc, char **argv)
{
	return hy_opt_main(&hylics_command, argc, argv);
}
