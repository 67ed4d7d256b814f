/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu_args.h - the one place where QEMU command lines are made
 *
 * Runs in: hylics
 * Reads from: the operator's command line
 */
#ifndef HY_QEMU_ARGS_H
#define HY_QEMU_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/opt.h"

/* 40 fixed words, and at most 4 words for each of 16 taps, shares and disks */
#define QEMU_ARGV_MAX 320

#define QEMU_MAC_LEN 17			/* "52:54:00:12:34:56" */
#define QEMU_PROGRAM "qemu-system-x86_64"
#define QEMU_AGENT_PORT "io.hylics.agent.0"
#define QEMU_RUN_PORT "io.hylics.run.0"	/* the guest tells here how its command ended */
#define QEMU_RUN_FILE "opt/io.hylics/run"	/* a shell script, among the firmware's */
#define QEMU_SHARE_TAG "hylics"		/* under which a guest finds its share */

/* What QEMU inherits: descriptors that are open in it by these numbers. */
struct qemu_fds {
	int tap[HY_OPT_LIST_MAX];		/* for each of the taps */
	int qmp;				/* connected socket */
	int script, result;			/* of a command for the guest; -1: there is none */
};

/* A VM as the operator describes it; texts are as typed and checked by qemu_args_build(). */
struct qemu_spec {
	const char *name;
	uint64_t memory_bytes;			/* a multiple of 1 MB */
	int64_t vcpus;
	const char *kernel, *initrd, *append;	/* NULL: not given, as everywhere below */
	const char *root_9p;			/* a directory, read-only for the guest */
	const char *channel;			/* "serial:PATH" or "vsock:CID" */
	struct hy_opt_list taps;		/* "IFNAME" or "IFNAME,mac=MAC" */
	struct hy_opt_list shares_9p;		/* "TAG=DIR" */
	struct hy_opt_list shares_virtiofs;	/* "TAG=SOCKET" */
	struct hy_opt_list disks;		/* files */
	const char *console;			/* a file, or "stdio" */
	const char *qmp;			/* a socket QEMU makes */
	const char *pidfile;
	const struct qemu_fds *fds;		/* NULL: it inherits none, and opens taps by name */
};

struct qemu_args {
	unsigned int n;
	bool full;				/* a word did not fit, or there was no memory */
	char *argv[QEMU_ARGV_MAX + 1];		/* NULL at the end */
};

/**
 * qemu_args_build() - Make the command line of a VM; touches no file
 * @s:		What is wanted
 * @kvm:	Run on KVM, else on TCG
 * @args:	Filled on success, to be given to qemu_args_free(); untouched on failure
 * @e:		Names the option at fault
 *
 * Return: 0, -EINVAL, -ENOMEM
 */
int qemu_args_build(const struct qemu_spec *s, bool kvm, struct qemu_args *args, struct hy_err *e);

/**
 * qemu_args_free() - Give the words back
 * @args:	Filled by qemu_args_build(), or zeroed
 */
void qemu_args_free(struct qemu_args *args);

#endif
