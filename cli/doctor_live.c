/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_live.c - what only the kernel can tell: it is asked to do it once, in a child
 *
 * Runs in: hylics, and children of it
 * Reads from: the kernel; what programs print for --version
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/doctor.h"

#define CHILD_S 5
#define NO_NAMESPACE 255		/* instead of an errno: the step before it failed */

/* Return: 0, the errno @act gave, EINTR if it did not come back */
static int in_child(int (*act)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid < 0)
		return errno;
	if (pid == 0) {
		alarm(CHILD_S);
		_exit(act());
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

static int load_program(void)
{
	static const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr a = { .prog_type = BPF_PROG_TYPE_SCHED_CLS,
			     .insns = (uint64_t)(uintptr_t)nothing, .insn_cnt = 2,
			     .license = (uint64_t)(uintptr_t)"GPL" };

	return syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof(a)) < 0 ? errno : 0;
}

static int enter_namespaces(void)
{
	return unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 ? errno : 0;
}

static int enter_repair(void)
{
	int on = TCP_REPAIR_ON, sock;

	if (enter_namespaces())
		return NO_NAMESPACE;
	sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || setsockopt(sock, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) < 0)
		return errno;
	return 0;
}

void doctor_bpf(const struct doctor *d, struct finding *f)
{
	int err = d->live ? in_child(load_program) : 0;

	if (!d->live || ((err == EPERM || err == EACCES) && geteuid() != 0)) {
		doctor_found(f, DOCTOR_SKIPPED, "only root may ask");
		return;
	}
	if (!err) {
		doctor_found(f, DOCTOR_OK, "programs for interfaces can be loaded");
		return;
	}
	doctor_found(f, DOCTOR_BAD, "no program for an interface can be loaded: %s",
		     strerrordesc_np(err));
	doctor_mend(f, "no connection can be moved: boot a kernel with CONFIG_BPF_SYSCALL and "
		    "CONFIG_NET_CLS_ACT; in a container, give it CAP_BPF and CAP_NET_ADMIN");
}

void doctor_namespaces(const struct doctor *d, struct finding *f)
{
	char line[32];
	long most = 0;
	int err;

	if (doctor_line(d, "/proc/sys/user/max_user_namespaces", line, sizeof(line)))
		most = strtol(line, NULL, 10);
	if (most <= 0) {
		doctor_found(f, DOCTOR_BAD, "user namespaces are not allowed");
		doctor_mend(f, "a VM's twin is one: sysctl user.max_user_namespaces=16384, or boot "
			    "a kernel with CONFIG_USER_NS");
		return;
	}
	err = d->live ? in_child(enter_namespaces) : 0;
	if (!err) {
		doctor_found(f, DOCTOR_OK, "up to %ld user namespaces", most);
		return;
	}
	doctor_found(f, geteuid() ? DOCTOR_SKIPPED : DOCTOR_BAD, "one could not be made: %s",
		     strerrordesc_np(err));
	doctor_mend(f, "ask as root; else look at user.max_net_namespaces, and at what the "
		    "container or AppArmor (kernel.apparmor_restrict_unprivileged_userns) forbids");
}

void doctor_repair(const struct doctor *d, struct finding *f)
{
	int err = d->live ? in_child(enter_repair) : NO_NAMESPACE;

	if (!err) {
		doctor_found(f, DOCTOR_OK, "TCP_REPAIR works in a user namespace");
	} else if (err == NO_NAMESPACE) {
		doctor_found(f, DOCTOR_SKIPPED, "needs a user namespace");
	} else {
		doctor_found(f, DOCTOR_BAD, "TCP_REPAIR in a user namespace: %s",
			     strerrordesc_np(err));
		doctor_mend(f, "no connection can be moved: boot a kernel with "
			    "CONFIG_CHECKPOINT_RESTORE; in a container, allow setsockopt");
	}
}

static _Noreturn void be_program(const char *program, int to)
{
	char *const argv[] = { (char *)(uintptr_t)program, (char *)(uintptr_t)"--version", NULL };

	alarm(CHILD_S);		/* exec keeps it */
	if (dup2(to, STDOUT_FILENO) >= 0)
		execv(program, argv);
	_exit(127);
}

void doctor_version(const struct doctor *d, const char *program, char *line, size_t size)
{
	int ends[2];
	ssize_t n;
	pid_t pid;

	line[0] = '\0';
	if (!d->live || pipe2(ends, O_CLOEXEC) < 0)
		return;
	pid = fork();
	if (pid == 0)
		be_program(program, ends[1]);
	close(ends[1]);
	n = pid < 0 ? -1 : read(ends[0], line, size - 1);
	close(ends[0]);
	line[n > 0 ? n : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (pid > 0)
		waitpid(pid, NULL, 0);
}
