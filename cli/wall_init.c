/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wall_init.c - the first process inside a wall
 *
 * Runs in: hylics, as process 1 of a wall
 * Reads from: its supervisor
 *
 * It lives exactly as long as the command and the supervisor both do. Signals for the command come
 * from the supervisor through the control pipe. In the foreground of a terminal all three are in
 * one process group, and what is sent to the group (Ctrl-C) has reached the command already: this
 * process, which got it as well, then keeps the supervisor's word of it to itself.
 */
#include "cli/wall_init.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/wall_place.h"

#define PROCESS_NAME "hylics-wall"

static void tell(const struct wall_inside *in, const struct wall_report *report)
{
	/* smaller than a pipe: never blocks, never splits; a dead reader needs no report */
	if (write(in->report_fd, report, sizeof(*report)) < 0)
		_exit(HY_EXIT_FAILED);
}

static _Noreturn void give_up(const struct wall_inside *in, int exit_code, const struct hy_err *e)
{
	struct wall_report report = { .exit = exit_code, .err = *e };

	tell(in, &report);
	_exit(exit_code);
}

/* Returns what a script is to be told: that a right is missing, or that something is broken. */
static int refusal(const struct hy_err *e)
{
	return e->num == EPERM || e->num == EACCES ? HY_EXIT_SKIPPED : HY_EXIT_FAILED;
}

/* The kernel kills this process when the supervisor dies; it may have died before that was said. */
static int die_with_supervisor(const struct wall_inside *in, struct hy_err *e)
{
	struct pollfd p = { .fd = in->control_fd };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return hy_err_set(e, errno, "wall: prctl(PR_SET_PDEATHSIG)");
	if (poll(&p, 1, 0) > 0 && p.revents & POLLHUP)
		_exit(HY_EXIT_FAILED);
	return 0;
}

static int make_place(const struct wall_inside *in, struct hy_err *e)
{
	int rc = die_with_supervisor(in, e);

	if (rc == 0 && in->user_namespace)
		rc = wall_place_be_root(in->uid, in->gid, e);
	return rc == 0 ? wall_place_make(e) : rc;
}

static _Noreturn void become_command(const struct wall_inside *in)
{
	struct hy_err e = { 0 };

	if (in->own_group)
		setpgid(0, 0);
	sigprocmask(SIG_SETMASK, &in->mask, NULL);
	execvp(in->argv[0], in->argv);
	hy_err_set(&e, errno, "command '%s': execute", in->argv[0]);
	give_up(in, HY_EXIT_FAILED, &e);
}

static pid_t start_command(const struct wall_inside *in, struct hy_err *e)
{
	pid_t pid = fork();

	if (pid == 0)
		become_command(in);
	return pid < 0 ? hy_err_set(e, errno, "command '%s': fork", in->argv[0]) : pid;
}

/* Hands on what the supervisor sends; ends when the supervisor has. */
static void pass_signals(const struct wall_inside *in, pid_t command, uint64_t sent_to_group)
{
	unsigned char numbers[8];
	ssize_t n = read(in->control_fd, numbers, sizeof(numbers));

	if (n == 0)
		_exit(HY_EXIT_FAILED);
	for (ssize_t i = 0; i < n; i++)
		if (in->own_group || !(sent_to_group >> numbers[i] & 1))
			kill(command, numbers[i]);
}

/* Reaps whoever has ended; the command's end is the end of all. */
static void reap(const struct wall_inside *in, pid_t command)
{
	struct wall_report report = { .exit = HY_EXIT_OK };
	pid_t pid;

	while ((pid = waitpid(-1, &report.status, WNOHANG)) > 0) {
		if (pid != command)
			continue;
		tell(in, &report);
		_exit(HY_EXIT_OK);
	}
}

/* Empties the signalfd. Returns a bit for each signal that came from outside the namespace. */
static uint64_t take_signals(int fd)
{
	struct signalfd_siginfo info;
	uint64_t outside = 0;

	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_pid == 0)
			outside |= UINT64_C(1) << info.ssi_signo;
	return outside;
}

static int open_signals(struct hy_err *e)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? hy_err_set(e, errno, "wall: signalfd") : fd;
}

_Noreturn void wall_init(const struct wall_inside *in)
{
	struct pollfd p[2] = { { .fd = in->control_fd, .events = POLLIN }, { .events = POLLIN } };
	uint64_t sent_to_group = 0;
	struct hy_err e = { 0 };
	sigset_t all;
	pid_t command;

	prctl(PR_SET_NAME, PROCESS_NAME);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (make_place(in, &e) < 0)
		give_up(in, refusal(&e), &e);
	p[1].fd = open_signals(&e);
	if (p[1].fd < 0)
		give_up(in, HY_EXIT_FAILED, &e);
	command = start_command(in, &e);
	if (command < 0)
		give_up(in, HY_EXIT_FAILED, &e);
	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			_exit(HY_EXIT_FAILED);
		sent_to_group |= take_signals(p[1].fd);
		reap(in, command);
		if (p[0].revents)
			pass_signals(in, command, sent_to_group);
	}
}
