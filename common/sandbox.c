/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox.c - the stages in which a process gives up what it does not need
 *
 * Runs in: every daemon
 * Reads from: no untrusted input
 */
#include "common/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/own.h"

static int close_listed(unsigned int first, unsigned int last)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *d;

	if (!dir)
		return -errno;
	while ((d = readdir(dir)) != NULL) {
		unsigned long fd = strtoul(d->d_name, NULL, 10);

		if (fd >= first && fd <= last && (int)fd != dirfd(dir))
			close((int)fd);
	}
	closedir(dir);
	return 0;
}

static int close_from(unsigned int first, unsigned int last)
{
	if (first > last)
		return 0;
	if (syscall(SYS_close_range, first, last, 0) == 0)
		return 0;
	/* kernels before 5.9 do not have it; the guest's may be as old as that */
	return errno == ENOSYS ? close_listed(first, last) : -errno;
}

/* A program started with stdin closed would get its first socket as descriptor 0. */
static int fill_stdio(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return -errno;
	hy_fd_close(&fd);
	return 0;
}

int hy_sandbox_started(int keep_fd, struct hy_err *e)
{
	unsigned int keep = keep_fd > STDERR_FILENO ? (unsigned int)keep_fd : STDERR_FILENO;
	int rc = close_from(STDERR_FILENO + 1, keep - 1);

	if (rc == 0)
		rc = close_from(keep + 1, ~0u);
	if (rc == 0)
		rc = fill_stdio();
	if (rc < 0)
		return hy_err_set(e, -rc, "sandbox: close inherited descriptors");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return hy_err_set(e, errno, "sandbox: no new privileges");
	if (!HY_SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return hy_err_set(e, errno, "sandbox: not dumpable");
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

int hy_sandbox_bounded(uint64_t keep, struct hy_err *e)
{
	for (int cap = 0; cap <= 63; cap++) {
		if (keep >> cap & 1)
			continue;
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 1)
			continue;
		/* without CAP_SETPCAP it stays, but no exec can use it: no new privileges */
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EPERM)
			return hy_err_set(e, errno, "sandbox: drop the bounding set");
	}
	return 0;
}

int hy_sandbox_bare(uint64_t keep, struct hy_err *e)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	int rc = hy_sandbox_bounded(keep, e);

	if (rc < 0)
		return rc;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capget, &head, data) < 0)
		return hy_err_set(e, errno, "sandbox: read capabilities");
	for (unsigned int i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(keep >> 32 * i);
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, data) < 0)
		return hy_err_set(e, errno, "sandbox: drop capabilities");
	return 0;
}

/* What libc makes of any program: memory, waiting, the end, the way back from a signal. */
/* syscalls: brk, exit, exit_group, futex, getrandom, madvise, mmap(_, _, !PROT_EXEC) */
/* syscalls: mprotect(_, _, !PROT_EXEC), mremap, munmap, rt_sigreturn */

#if HY_SANITIZED

int hy_sandbox_sealed(const struct hy_syscall *list, struct hy_err *e)
{
	(void)list;
	(void)e;
	return 0;
}

#else

static int add_rule(scmp_filter_ctx ctx, int number, const struct hy_syscall *s)
{
	struct scmp_arg_cmp cmp[HY_SYSCALL_ARGS_MAX];

	for (unsigned int i = 0; i < s->n; i++)
		cmp[i] = (struct scmp_arg_cmp){ .arg = s->arg[i].number, .op = SCMP_CMP_MASKED_EQ,
						.datum_a = s->arg[i].mask,
						.datum_b = s->arg[i].value };
	return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, number, s->n, cmp);
}

static int add_rules(scmp_filter_ctx ctx, const struct hy_syscall *list)
{
	int rc = 0;

	for (; rc == 0 && list->name; list++) {
		int number = seccomp_syscall_resolve_name(list->name);

		if (number != __NR_SCMP_ERROR)
			rc = add_rule(ctx, number, list);
	}
	return rc;
}

int hy_sandbox_sealed(const struct hy_syscall *list, struct hy_err *e)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc;

	if (!ctx)
		return hy_err_set(e, ENOMEM, "sandbox: seccomp");
	/* calls of another ABI (x32, int 0x80) have other numbers */
	rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (rc == 0)
		rc = add_rules(ctx, list);
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc < 0 ? hy_err_set(e, -rc, "sandbox: load the system call filter") : 0;
}

#endif
