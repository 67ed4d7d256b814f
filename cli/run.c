/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.c - a QEMU in the foreground: started, ended cleanly, its guest's exit code
 *
 * Runs in: hylics
 * Reads from: guest (hostile): a few bytes at the port that tells how a command ended; QEMU
 */
#include "cli/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/own.h"

#define KILL_MS 5000		/* from being told to SIGKILL; QEMU writes its disks' caches back */
#define SIGNALLED 128
#define RESULT_MAX 15		/* bytes; "255\n" has 4 */

static const char qmp_hello[] = "{\"execute\":\"qmp_capabilities\"}\n";
static const char qmp_power[] = "{\"execute\":\"system_powerdown\"}\n";
static const char qmp_quit[] = "{\"execute\":\"quit\"}\n";

enum phase { RUNNING, ASKED, ENDING, KILLED };

struct run {
	const struct run_spec *spec;
	pid_t pid;
	int signals;
	sigset_t mask_before;
	enum phase phase;
	uint64_t deadline_ms;		/* of the phase, but for RUNNING and KILLED */
	int stopped_by;			/* the first signal, 0: none */
	char result[RESULT_MAX + 1];	/* what the guest told */
	size_t result_len;
	bool qmp_ended, result_ended;
};

/* -- the new process -- */

static int inherit(int fd)
{
	return fd < 0 ? 0 : fcntl(fd, F_SETFD, 0);
}

static int inherit_all(const struct run_spec *s)
{
	int rc = inherit(s->lock) | inherit(s->fds->qmp) | inherit(s->fds->script) |
		 inherit(s->fds->result);

	for (unsigned int i = 0; i < s->n_taps; i++)
		rc |= inherit(s->fds->tap[i]);
	return rc;
}

static _Noreturn void be_qemu(const struct run *r, pid_t starter, int tell)
{
	sigset_t mask = r->mask_before;
	int num;

	/* those of a terminal go to all: the guest is told by the power button */
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	if (inherit_all(r->spec) == 0 && prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 &&
	    sigprocmask(SIG_SETMASK, &mask, NULL) == 0 && getppid() == starter)
		execvp(r->spec->args->argv[0], r->spec->args->argv);
	num = errno;
	_exit(write(tell, &num, sizeof(num)) == sizeof(num) ? 1 : 2);
}

static int not_started(int num, struct hy_err *e)
{
	if (num == ENOENT)
		return hy_err_set(e, ENOPKG, "%s: not found; on Debian install qemu-system-x86",
				  QEMU_PROGRAM);
	return hy_err_set(e, num, "%s: execute", QEMU_PROGRAM);
}

/* exec() closes the pipe: then there is nothing to read. */
static int start(struct run *r, struct hy_err *e)
{
	pid_t self = getpid();
	int ends[2], num = 0;
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return hy_err_set(e, errno, "pipe");
	r->pid = fork();
	if (r->pid == 0)
		be_qemu(r, self, ends[1]);
	close(ends[1]);
	if (r->pid < 0) {
		close(ends[0]);
		return hy_err_set(e, errno, "fork");
	}
	do {
		n = read(ends[0], &num, sizeof(num));
	} while (n < 0 && errno == EINTR);
	close(ends[0]);
	if (n == 0)
		return 0;
	waitpid(r->pid, NULL, 0);
	return not_started(num, e);
}

/* -- while it runs -- */

static void order(const struct run *r, const char *text)
{
	if (send(r->spec->qmp, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		kill(r->pid, SIGTERM);
}

/* On to the next way of ending it. */
static void press_on(struct run *r)
{
	uint64_t now_ms = hy_clock_ms();

	if (r->phase == RUNNING && r->spec->gently) {
		r->phase = ASKED;
		r->deadline_ms = now_ms + RUN_GRACE_MS;
		fprintf(stderr, "hylics: the guest is asked to shut down; once more ends it\n");
		order(r, qmp_power);
	} else if (r->phase < ENDING) {
		r->phase = ENDING;
		r->deadline_ms = now_ms + KILL_MS;
		order(r, qmp_quit);
	} else {
		r->phase = KILLED;
		kill(r->pid, SIGKILL);
	}
}

static int patience_ms(const struct run *r)
{
	uint64_t now_ms = hy_clock_ms();

	if (r->phase != ASKED && r->phase != ENDING)
		return -1;
	return r->deadline_ms > now_ms ? (int)(r->deadline_ms - now_ms) : 0;
}

static void take_signals(struct run *r)
{
	struct signalfd_siginfo info;

	while (read(r->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		if (!r->stopped_by)
			r->stopped_by = (int)info.ssi_signo;
		press_on(r);
	}
}

/* What QEMU says is of no interest, but it must not stop for want of a reader. */
static void drain_qmp(struct run *r)
{
	char bytes[512];
	ssize_t n = recv(r->spec->qmp, bytes, sizeof(bytes), MSG_DONTWAIT);

	r->qmp_ended = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* A line is all there is to tell; who tells more is not read any further. */
static void take_result(struct run *r)
{
	size_t room = RESULT_MAX - r->result_len;
	ssize_t n = recv(r->spec->result, r->result + r->result_len, room, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	r->result_len += n > 0 ? (size_t)n : 0;
	r->result_ended = n <= 0 || r->result_len == RESULT_MAX ||
			  memchr(r->result, '\n', r->result_len);
	if (r->result_ended && r->result_len)
		press_on(r);
}

/* Return: QEMU's status */
static int supervise(struct run *r)
{
	int status = 0;

	while (waitpid(r->pid, &status, WNOHANG) == 0) {
		struct pollfd p[] = {
			{ .fd = r->signals, .events = POLLIN },
			{ .fd = r->qmp_ended ? -1 : r->spec->qmp, .events = POLLIN },
			{ .fd = r->result_ended ? -1 : r->spec->result, .events = POLLIN },
		};
		int n = poll(p, sizeof(p) / sizeof(p[0]), patience_ms(r));

		if (n == 0)
			press_on(r);
		if (n <= 0)
			continue;
		if (p[0].revents)
			take_signals(r);
		if (p[1].revents)
			drain_qmp(r);
		if (p[2].revents)
			take_result(r);
	}
	return status;
}

/* -- afterwards -- */

/* Return: -1 if the guest told none */
static int told_code(const struct run *r)
{
	char *end;
	long code = strtol(r->result, &end, 10);

	return end == r->result || *end != '\n' || code < 0 || code > 255 ? -1 : (int)code;
}

static int result(struct run *r, int status, struct hy_err *e)
{
	int code;

	/* what was on its way when QEMU ended */
	if (r->spec->result >= 0 && !r->result_ended)
		take_result(r);
	code = told_code(r);
	if (r->spec->result >= 0 && code >= 0)
		return code;
	if (r->stopped_by)
		return r->spec->result < 0 ? HY_EXIT_OK : SIGNALLED + r->stopped_by;
	if (WIFSIGNALED(status))
		hy_err_set(e, ECANCELED, "%s: killed by signal %d", QEMU_PROGRAM,
			   WTERMSIG(status));
	else if (WEXITSTATUS(status))
		hy_err_set(e, ECANCELED, "%s: ended with exit code %d", QEMU_PROGRAM,
			   WEXITSTATUS(status));
	else if (r->spec->result >= 0)
		hy_err_set(e, ENODATA, "the guest has ended, and did not tell how its command did");
	else
		return HY_EXIT_OK;
	return HY_EXIT_FAILED;
}

static int watch_signals(struct run *r, struct hy_err *e)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGCHLD };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&set, numbers[i]);
	sigprocmask(SIG_BLOCK, &set, &r->mask_before);
	r->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return r->signals < 0 ? hy_err_set(e, errno, "signals") : 0;
}

int run_vm(const struct run_spec *s, struct hy_err *e)
{
	struct run r = { .spec = s, .signals = -1 };
	struct termios terminal;
	bool is_terminal = tcgetattr(STDIN_FILENO, &terminal) == 0;
	int code = HY_EXIT_FAILED;

	if (watch_signals(&r, e) == 0) {
		/* QEMU's control socket takes orders only after this one */
		if (send(s->qmp, qmp_hello, sizeof(qmp_hello) - 1, MSG_NOSIGNAL) < 0)
			hy_err_set(e, errno, "QEMU's control socket");
		else if (start(&r, e) == 0)
			code = result(&r, supervise(&r), e);
	}
	if (is_terminal)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal);	/* of a killed QEMU */
	hy_fd_close(&r.signals);
	sigprocmask(SIG_SETMASK, &r.mask_before, NULL);
	return code;
}
