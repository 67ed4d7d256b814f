/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wall.c - run a command walled off from the machine: the supervisor outside
 *
 * Runs in: hylics
 * Reads from: no untrusted input
 */
#include "cli/wall.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fork.h"
#include "common/log.h"
#include "common/own.h"
#include "cli/wall_cgroup.h"
#include "cli/wall_init.h"

#define INSIDE_VARIABLE "HYLICS_LAB_WALL"
#define CGROUP_VARIABLE "HYLICS_LAB_CGROUP"
#define NAMESPACES (CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)
#define GRACE_MS 10000		/* from the first signal to the end of everything inside */
/* timeout(1) and others send a signal twice: to the process, and to its group */
#define SAME_EVENT_MS 200
#define SIGNALLED 128		/* a shell adds the number of the signal that ended a command */

static const struct hy_log wall_log = {
	.program = "hylics lab", .object = "wall", .level = HY_LOG_WARN,
};

struct wall {
	char cgroup[WALL_CGROUP_NAME_MAX];
	bool shares_group;	/* with the command: what a terminal sends reaches both */
	sigset_t mask_before;	/* the command's */
	sigset_t watched;	/* what arrives at the signalfd */
	int signals;		/* signalfd */
	int control;		/* to process 1 */
	int report;		/* from process 1 */
	pid_t init;		/* process 1, as seen from here */
	int first_signal;	/* 0 while none has come */
	uint64_t first_ms;
};

bool wall_inside(void)
{
	return getenv(INSIDE_VARIABLE) != NULL;
}

/* A signal that was ignored when we were started (nohup, "cmd &" in a script) stays ignored. */
static void watch_unless_ignored(sigset_t *set, int number)
{
	struct sigaction action;

	if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
		sigaddset(set, number);
}

static int open_signals(struct wall *w, struct hy_err *e)
{
	const struct sigaction standard = { .sa_handler = SIG_DFL };

	sigaction(SIGCHLD, &standard, NULL);
	sigemptyset(&w->watched);
	sigaddset(&w->watched, SIGCHLD);
	watch_unless_ignored(&w->watched, SIGINT);
	watch_unless_ignored(&w->watched, SIGTERM);
	watch_unless_ignored(&w->watched, SIGHUP);
	watch_unless_ignored(&w->watched, SIGQUIT);
	sigprocmask(SIG_BLOCK, &w->watched, NULL);
	w->signals = signalfd(-1, &w->watched, SFD_CLOEXEC | SFD_NONBLOCK);
	return w->signals < 0 ? hy_err_set(e, errno, "wall: signalfd") : 0;
}

/* Whether this process is in the foreground group of a terminal, which the command then joins. */
static bool in_foreground(void)
{
	hy_autofd tty = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);

	return tty >= 0 && tcgetpgrp(tty) == getpgrp();
}

static int prepare(struct wall *w, struct hy_err *e)
{
	const char *outer = wall_inside() ? getenv(CGROUP_VARIABLE) : NULL;
	struct hy_err left = { 0 };
	unsigned int removed;
	int rc = wall_cgroup_name(outer, w->cgroup, sizeof(w->cgroup), e);

	if (rc < 0)
		return rc;
	if (!wall_inside() && wall_cgroup_sweep(&removed, &left) < 0)
		hy_log(&wall_log, HY_LOG_WARN, "%s: %s; left by an earlier run", left.text,
		       strerror(left.num));
	if (setenv(INSIDE_VARIABLE, "1", 1) < 0 || setenv(CGROUP_VARIABLE, w->cgroup, 1) < 0)
		return hy_err_set(e, errno, "wall: environment");
	w->shares_group = in_foreground();
	return open_signals(w, e);
}

/* Root needs no user namespace, but root in a container may have to take one. */
static pid_t fork_inside(struct wall_inside *in)
{
	pid_t pid = -1;

	in->user_namespace = false;
	if (geteuid() == 0)
		pid = hy_fork_into(NAMESPACES);
	if (pid >= 0 || (geteuid() == 0 && errno != EPERM))
		return pid;
	in->user_namespace = true;
	return hy_fork_into(NAMESPACES | CLONE_NEWUSER);
}

static int start(struct wall *w, char *const argv[], struct hy_err *e)
{
	struct wall_inside in = {
		.argv = argv, .uid = geteuid(), .gid = getegid(),
		.own_group = !w->shares_group, .mask = w->mask_before,
	};
	int control[2], report[2];

	if (pipe2(control, O_CLOEXEC) < 0)
		return hy_err_set(e, errno, "wall: pipe");
	in.control_fd = control[0];
	w->control = control[1];
	if (pipe2(report, O_CLOEXEC) < 0) {
		close(control[0]);
		return hy_err_set(e, errno, "wall: pipe");
	}
	w->report = report[0];
	in.report_fd = report[1];
	fflush(NULL);
	w->init = fork_inside(&in);
	if (w->init == 0) {
		close(w->control);	/* else its end would not be seen inside */
		close(w->report);
		wall_init(&in);
	}
	if (w->init < 0)
		hy_err_set(e, errno, "wall: new namespaces");
	close(in.control_fd);
	close(in.report_fd);
	return w->init < 0 ? -e->num : 0;
}

static bool file_says(const char *path, const char *text)
{
	hy_autofile *f = fopen(path, "re");
	char line[32];

	return f && fgets(line, sizeof(line), f) && strcmp(line, text) == 0;
}

/* Says which right was missing, as far as it can be seen. */
static int explain_refusal(struct hy_err *e)
{
	const char *why = "user namespaces are refused as well (seccomp or a security module?)";

	if (e->num != EPERM && e->num != EACCES && e->num != ENOSPC && e->num != EUSERS)
		return hy_err_exit(e);
	if (file_says("/proc/sys/user/max_user_namespaces", "0\n"))
		why = "user.max_user_namespaces is 0";
	else if (file_says("/proc/sys/kernel/unprivileged_userns_clone", "0\n"))
		why = "kernel.unprivileged_userns_clone is 0";
	else if (file_says("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n"))
		why = "kernel.apparmor_restrict_unprivileged_userns is 1";
	hy_err_add(e, "the wall needs CAP_SYS_ADMIN (run as root), or user namespaces; %s", why);
	return HY_EXIT_SKIPPED;
}

static void kill_all(const struct wall *w)
{
	kill(w->init, SIGKILL);
}

/* Process 1 knows whether the command has it already, as it has what a terminal sends. */
static void hand_on(const struct wall *w, int number)
{
	unsigned char byte = (unsigned char)number;

	if (write(w->control, &byte, 1) < 0 && errno != EPIPE)
		kill_all(w);
}

static void on_signal(struct wall *w, int number)
{
	uint64_t now_ms = hy_clock_ms();

	if (number == SIGCHLD)
		return;
	if (!w->first_signal) {
		w->first_signal = number;
		w->first_ms = now_ms;
		if (number == SIGQUIT)
			kill_all(w);
		else
			hand_on(w, number);
	} else if (number != w->first_signal || now_ms - w->first_ms > SAME_EVENT_MS) {
		kill_all(w);
	}
}

/* Returns how long to wait for the next event: -1 is for ever. */
static int patience_ms(const struct wall *w)
{
	uint64_t gone_ms = hy_clock_ms() - w->first_ms;

	if (!w->first_signal)
		return -1;
	return gone_ms >= GRACE_MS ? 0 : (int)(GRACE_MS - gone_ms);
}

/* Until process 1 has ended, and with it everything inside. Returns its status. */
static int supervise(struct wall *w)
{
	struct pollfd p = { .fd = w->signals, .events = POLLIN };
	struct signalfd_siginfo info;
	int status = 0;

	while (waitpid(w->init, &status, WNOHANG) == 0) {
		int timeout_ms = patience_ms(w);

		if (timeout_ms == 0) {
			kill_all(w);
			timeout_ms = -1;
		}
		poll(&p, 1, timeout_ms);
		while (read(w->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
			on_signal(w, (int)info.ssi_signo);
	}
	return status;
}

/*
 * A shell goes on with its script after a command that merely exits, so who was told to end by a
 * signal must end by it.
 */
static void end_by_signal(const struct wall *w, int number)
{
	const struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t set;

	if (number != w->first_signal)
		return;
	fflush(NULL);
	prctl(PR_SET_DUMPABLE, 0);	/* no core file for SIGQUIT */
	sigaction(number, &standard, NULL);
	kill(getpid(), number);
	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static int result(const struct wall *w, int init_status, struct hy_err *e)
{
	struct wall_report report;
	int code;

	if (read(w->report, &report, sizeof(report)) != (ssize_t)sizeof(report)) {
		if (w->first_signal)
			end_by_signal(w, w->first_signal);
		hy_err_set(e, ECANCELED, "wall: its first process ended with status 0x%x",
			   (unsigned int)init_status);
		return HY_EXIT_FAILED;
	}
	if (report.exit != HY_EXIT_OK) {
		*e = report.err;
		if (report.exit == HY_EXIT_SKIPPED)
			hy_err_add(e, "the wall needs the right to mount inside namespaces");
		return report.exit;
	}
	code = WIFEXITED(report.status) ? WEXITSTATUS(report.status) :
					  SIGNALLED + WTERMSIG(report.status);
	end_by_signal(w, code - SIGNALLED);
	return code;
}

static void remove_cgroups(const struct wall *w)
{
	struct hy_err left = { 0 };

	if (wall_cgroup_remove(w->cgroup, &left) < 0)
		hy_log(&wall_log, HY_LOG_WARN, "%s: %s", left.text, strerror(left.num));
}

static int run(struct wall *w, char *const argv[], struct hy_err *e)
{
	int status;

	if (prepare(w, e) < 0)
		return hy_err_exit(e);
	if (start(w, argv, e) < 0)
		return explain_refusal(e);
	status = supervise(w);
	remove_cgroups(w);
	return result(w, status, e);
}

int wall_run(char *const argv[], struct hy_err *e)
{
	struct wall w = { .signals = -1, .control = -1, .report = -1 };
	int code;

	sigprocmask(SIG_SETMASK, NULL, &w.mask_before);
	code = run(&w, argv, e);
	hy_fd_close(&w.signals);
	hy_fd_close(&w.control);
	hy_fd_close(&w.report);
	sigprocmask(SIG_SETMASK, &w.mask_before, NULL);
	return code;
}
