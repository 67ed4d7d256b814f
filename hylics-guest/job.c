/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * job.c - `hylics-guest job`: run a program as a job, and tell the agent of its begin and end
 *
 * Runs in: hylics-guest
 * Reads from: the agent (checked)
 *
 * The program runs whatever becomes of the telling, and its exit code is ours. We outlive it, so as
 * to see its end: signals that were sent to us alone are passed on, and those that the terminal
 * sends it has already.
 */
#include "hylics-guest/job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fdpass.h"
#include "common/own.h"
#include "common/printable.h"
#include "hylics-guest/ask.h"
#include "hylics-guest/program.h"
#include "proto/job.h"

#define OPTION(field) offsetof(struct job_values, field)
#define US_PER_MS 1000u
#define NS_PER_US 1000u
#define EXIT_OF_SIGNAL 128

const struct hy_opt job_options[] = {
	{ .name = "run-dir", .type = HY_OPT_STRING, .offset = OPTION(run_dir), .arg = "DIR",
	  .help = "where agent.sock is (default $HYLICS_RUN_DIR, else /run/hylics)" },
	{ .name = "name", .type = HY_OPT_STRING, .offset = OPTION(name), .arg = "NAME",
	  .help = "what the host shows it as (default: the program's)" },
	{ .name = "arrived", .type = HY_OPT_DURATION, .offset = OPTION(arrived_ms), .arg = "TIME",
	  .help = "it has waited for TIME already (default 0s)",
	  .max = HY_JOB_US_MAX / US_PER_MS },
	{ 0 },
};

/* What the program is to have as we had it. */
struct ways {
	sigset_t mask;
	struct sigaction child;
};

struct mark {
	const char *name;
	int agent;			/* -1: the job is not counted */
	uint64_t begun_ns;
};

static void say(const struct mark *m, const char *what, const struct hy_err *e)
{
	char message[HY_ERR_MESSAGE_MAX];

	hy_err_message(e, message);
	fprintf(stderr, "hylics-guest job: %s: %s: %s\n", m->name, what, message);
}

/* -- telling -- */

static int begin(struct mark *m, const struct job_values *v, struct hy_err *e)
{
	struct local_job_begin begin = { .waited_us = v->arrived_ms * US_PER_MS };
	uint8_t buf[LOCAL_PACKET_MAX];
	int rc;

	hy_autofd fd = ask_connect_within(v->run_dir, HY_JOB_AGENT_MS, e);
	if (fd < 0)
		return fd;
	hy_copy_printable(begin.name, sizeof(begin.name), *m->name ? m->name : "?");
	rc = ask_agent(fd, buf, job_encode_begin(1, &begin, buf), LOCAL_JOB_BEGUN, e);
	if (rc >= 0)
		m->agent = hy_fd_steal(&fd);
	return rc;
}

static void tell_end(const struct mark *m, int status)
{
	uint64_t ran_us = (hy_clock_ns() - m->begun_ns) / NS_PER_US;
	struct local_job_end end = {
		.state = WIFSIGNALED(status) ? JOB_KILLED : JOB_EXITED,
		.code = (uint8_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)),
		.ran_us = ran_us < HY_JOB_US_MAX ? ran_us : HY_JOB_US_MAX,
	};
	uint8_t buf[LOCAL_PACKET_MAX];
	struct hy_err e = { 0 };
	ssize_t n;

	if (m->agent < 0)
		return;
	n = hy_fds_send(m->agent, buf, job_encode_end(2, &end, buf), NULL, MSG_DONTWAIT);
	if (n < 0) {
		hy_err_set(&e, (int)-n, "the agent has gone meanwhile");
		say(m, "its end is not counted", &e);
	}
}

/* -- the program -- */

static void wait_for_signals(struct ways *before)
{
	const struct sigaction usual = { .sa_handler = SIG_DFL };
	sigset_t all;

	/* who ignores it is told of no child's end */
	sigaction(SIGCHLD, &usual, &before->child);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before->mask);
}

/* Returns only if it could not be started: errno. */
static int become(char **argv, const struct ways *ways)
{
	sigaction(SIGCHLD, &ways->child, NULL);
	sigprocmask(SIG_SETMASK, &ways->mask, NULL);
	execvp(argv[0], argv);
	return errno;
}

static _Noreturn void be_child(char **argv, const struct ways *ways, int why)
{
	int err = become(argv, ways);

	_exit(write(why, &err, sizeof(err)) == sizeof(err) ? HY_EXIT_OK : HY_EXIT_FAILED);
}

/* Return: its pid, *@err set if it could not become the program; -errno if there is no child */
static pid_t start(char **argv, const struct ways *ways, int *err)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		be_child(argv, ways, ends[1]);
	if (pid < 0)
		pid = -errno;
	close(ends[1]);
	/* its end comes with exec(), without a word */
	if (pid > 0 && read(ends[0], err, sizeof(*err)) != sizeof(*err))
		*err = 0;
	close(ends[0]);
	return pid;
}

/*
 * From the terminal they come to the program as well. Those that a call of ours brought about, such
 * as SIGPIPE, are none of its business.
 */
static bool is_for_program(const siginfo_t *info)
{
	return info->si_signo != SIGCHLD && info->si_code <= 0 && info->si_pid != getpid();
}

/* A shell is to see that it has stopped; who continues us continues it, too. */
static void stop_with_it(void)
{
	raise(SIGSTOP);
}

/* Return: its status as waitpid() gives it */
static int wait_end(pid_t pid)
{
	siginfo_t info;
	sigset_t all;
	int status;

	sigfillset(&all);
	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG | WUNTRACED);

		if (got == pid && !WIFSTOPPED(status))
			return status;
		if (got == pid)
			stop_with_it();
		if (sigwaitinfo(&all, &info) > 0 && is_for_program(&info))
			kill(pid, info.si_signo);
	}
}

static int exit_code(int status)
{
	return WIFSIGNALED(status) ? EXIT_OF_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

/* As a shell counts one that could not be started. */
static int not_started(const struct mark *m, pid_t pid, const char *name, int err,
		       struct hy_err *e)
{
	int code = program_not_started(name, err, e);

	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	tell_end(m, W_EXITCODE(code, 0));
	return code;
}

int job_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct job_values *v = values;
	struct mark m = { .name = v->name ? v->name : program_name(argv[0]), .agent = -1 };
	struct hy_err why = { 0 };
	struct ways ways;
	int err = 0, status;
	pid_t pid;

	(void)argc;
	wait_for_signals(&ways);
	m.begun_ns = hy_clock_ns();
	if (begin(&m, v, &why) < 0)
		say(&m, "runs uncounted", &why);
	pid = start(argv, &ways, &err);
	if (pid < 0) {
		hy_err_set(&why, (int)-pid, "make a process for it");
		say(&m, "its end is not counted", &why);
		return program_not_started(argv[0], become(argv, &ways), e);
	}
	if (err)
		return not_started(&m, pid, argv[0], err, e);
	status = wait_end(pid);
	tell_end(&m, status);
	hy_fd_close(&m.agent);
	return exit_code(status);
}
