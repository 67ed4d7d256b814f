/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lib_trace.c - count the system calls of a piece of code
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 *
 * getsid() marks where counting begins and ends.
 */
#include "tests/unit/lib_trace.h"

#include "tests/probes/probe.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long last_arg;

long trace_last_arg(void)
{
	return last_arg;
}

static _Noreturn void traced(int (*code)(void *arg, int turn), void *arg)
{
	int rc;

	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	kill(getpid(), SIGSTOP);
	rc = code(arg, 0);
	syscall(SYS_getsid, 0);
	rc |= code(arg, 1);
	syscall(SYS_getsid, 0);
	_exit(rc ? 1 : 0);
}

int trace_calls(int (*code)(void *arg, int turn), void *arg, long nr)
{
	struct __ptrace_syscall_info info;
	pid_t pid = probe_fork();
	int n = 0, marks = 0, status;

	if (pid == 0)
		traced(code, arg);
	PROBE_TRY(waitpid(pid, &status, 0));
	PROBE_TRY(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD));
	for (;;) {
		PROBE_TRY(ptrace(PTRACE_SYSCALL, pid, NULL, NULL));
		PROBE_TRY(waitpid(pid, &status, 0));
		if (WIFEXITED(status) || WIFSIGNALED(status))
			return marks == 2 && status == 0 ? n : -1;
		if (!WIFSTOPPED(status) || WSTOPSIG(status) != (SIGTRAP | 0x80))
			continue;
		PROBE_TRY(ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info));
		if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
			continue;
		if (info.entry.nr == SYS_getsid)
			marks++;
		if (info.entry.nr == SYS_getsid || marks != 1 ||
		    (nr != TRACE_ALL && (long)info.entry.nr != nr))
			continue;
		last_arg = (long)info.entry.args[0];
		n++;
	}
}
