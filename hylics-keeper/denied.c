/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * denied.c - the system calls a module's program may not make
 *
 * Runs in: hylics-keeper
 * Reads from: no untrusted input
 */
#include "hylics-keeper/denied.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/socket.h>

#define NEW_SPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
		    CLONE_NEWPID | CLONE_NEWNET)

/* What a kernel or its headers do not know is no number, and left out. */
static const char *const calls[] = {
	/* mounts and namespaces */
	"chroot", "fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount",
	"name_to_handle_at", "open_by_handle_at", "open_tree", "pivot_root", "setns", "umount",
	"umount2", "unshare",
	/* other processes */
	"kcmp", "pidfd_getfd", "process_madvise", "process_vm_readv", "process_vm_writev", "ptrace",
	/* the kernel */
	"acct", "bpf", "delete_module", "fanotify_init", "finit_module", "init_module",
	"io_uring_enter", "io_uring_register", "io_uring_setup", "kexec_file_load", "kexec_load",
	"lookup_dcookie", "nfsservctl", "perf_event_open", "quotactl", "quotactl_fd", "swapoff",
	"swapon", "syslog", "userfaultfd", "vhangup",
	/* keys */
	"add_key", "keyctl", "request_key",
	/* the machine */
	"adjtimex", "clock_adjtime", "clock_settime", "ioperm", "iopl", "reboot", "settimeofday",
	"sethostname", "setdomainname",
};

static int refuse(scmp_filter_ctx ctx, const char *name, uint32_t action, unsigned int n,
		  const struct scmp_arg_cmp *arg)
{
	int number = seccomp_syscall_resolve_name(name);
	int rc = number == __NR_SCMP_ERROR ? 0 :
					     seccomp_rule_add_array(ctx, action, number, n, arg);

	/* one that this architecture does not have */
	return rc == -EDOM || rc == -EINVAL ? 0 : rc;
}

/* Its flags lie in memory, where no filter looks: the C library then takes clone(). */
static int refuse_spaces(scmp_filter_ctx ctx)
{
	int rc = refuse(ctx, "clone3", SCMP_ACT_ERRNO(ENOSYS), 0, NULL);

	for (unsigned int bit = 1; rc == 0 && bit && bit <= NEW_SPACES; bit <<= 1) {
		const struct scmp_arg_cmp has = { .arg = 0, .op = SCMP_CMP_MASKED_EQ,
						  .datum_a = bit, .datum_b = bit };

		if (bit & NEW_SPACES)
			rc = refuse(ctx, "clone", SCMP_ACT_ERRNO(EPERM), 1, &has);
	}
	return rc;
}

static int refuse_families(scmp_filter_ctx ctx)
{
	static const char *const makes[] = { "socket", "socketpair" };
	const struct scmp_arg_cmp above = { .arg = 0, .op = SCMP_CMP_GT, .datum_a = AF_INET6 };
	int rc = 0;

	for (unsigned int i = 0; i < 2 && rc == 0; i++) {
		rc = refuse(ctx, makes[i], SCMP_ACT_ERRNO(EAFNOSUPPORT), 1, &above);
		for (int family = 0; family < AF_INET6 && rc == 0; family++) {
			const struct scmp_arg_cmp is = { .arg = 0, .op = SCMP_CMP_EQ,
							 .datum_a = (scmp_datum_t)family };

			if (family != AF_UNIX && family != AF_INET)
				rc = refuse(ctx, makes[i], SCMP_ACT_ERRNO(EAFNOSUPPORT), 1, &is);
		}
	}
	return rc;
}

static int fill(scmp_filter_ctx ctx)
{
	int rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	for (unsigned int i = 0; i < sizeof(calls) / sizeof(calls[0]) && rc == 0; i++)
		rc = refuse(ctx, calls[i], SCMP_ACT_ERRNO(EPERM), 0, NULL);
	if (rc == 0)
		rc = refuse_spaces(ctx);
	return rc < 0 ? rc : refuse_families(ctx);
}

int denied_seal(struct hy_err *e)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int rc = ctx ? fill(ctx) : -ENOMEM;

	if (rc == 0)
		rc = seccomp_load(ctx);
	if (ctx)
		seccomp_release(ctx);
	return rc < 0 ? hy_err_set(e, -rc, "module: refuse system calls") : 0;
}
