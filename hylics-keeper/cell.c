/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cell.c - where a module's program runs: in the twin, in a room, behind a process of ours
 *
 * Runs in: hylics-keeper; its child, for moments as root, then as the VM's user
 * Reads from: no untrusted input
 */
#include "hylics-keeper/cell.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fork.h"
#include "common/own.h"
#include "common/sandbox.h"
#include "conf/module.h"
#include "hylics-keeper/denied.h"
#include "twin/port.h"

#define SIGNALLED 128			/* as a shell tells of a signal */
#define WARDEN_CAPABILITIES (UINT64_C(1) << CAP_NET_ADMIN)

/* What nearly every program needs to begin; what a machine does not have is left out. */
static const struct hy_room_place usual[] = {
	{ "/usr", HY_ROOM_RUN, false }, { "/bin", HY_ROOM_RUN, false },
	{ "/sbin", HY_ROOM_RUN, false }, { "/lib", HY_ROOM_RUN, false },
	{ "/lib32", HY_ROOM_RUN, false }, { "/lib64", HY_ROOM_RUN, false },
	{ "/etc/ld.so.cache", HY_ROOM_READ, false },
	{ "/etc/ld.so.conf", HY_ROOM_READ, false },
	{ "/etc/alternatives", HY_ROOM_READ, false },
	{ "/dev/null", HY_ROOM_DEVICE, true }, { "/dev/zero", HY_ROOM_DEVICE, true },
	{ "/dev/urandom", HY_ROOM_DEVICE, true }, { "/dev/random", HY_ROOM_DEVICE, true },
};

#define USUAL (sizeof(usual) / sizeof(usual[0]))

/* -- on the way into the room -- */

static int enter_room(const struct cell_spec *spec, struct hy_err *e)
{
	struct hy_room_place place[USUAL + MODULE_FILES_MAX];
	struct hy_room room = { .share = spec->share, .folder = spec->folder, .uid = spec->uid,
				.capabilities = WARDEN_CAPABILITIES, .place = place,
				.n_places = USUAL, .own = CELL_OWN, .foreign = true };
	hy_autofd share = -1;

	memcpy(place, usual, sizeof(usual));
	for (unsigned int i = 0; i < spec->n_files; i++)
		place[room.n_places++] = (struct hy_room_place){ .path = spec->files[i],
								 .needed = true };
	return hy_room_enter(&room, &share, e);
}

/* Where the machine allows less, that holds. */
static int limit(int what, uint64_t most)
{
	struct rlimit l;

	if (getrlimit((__rlimit_resource_t)what, &l) < 0)
		return -errno;
	if (most < l.rlim_max)
		l.rlim_max = most;
	l.rlim_cur = l.rlim_max;
	return setrlimit((__rlimit_resource_t)what, &l) < 0 ? -errno : 0;
}

static int set_limits(const struct cell_spec *spec, struct hy_err *e)
{
	int rc = limit(RLIMIT_NOFILE, spec->descriptors);

	if (rc == 0)
		rc = limit(RLIMIT_NPROC, spec->tasks);
	if (rc == 0)
		rc = limit(RLIMIT_DATA, spec->memory);
	if (rc == 0)
		rc = limit(RLIMIT_CORE, 0);
	return rc < 0 ? hy_err_set(e, -rc, "module: set its limits") : 0;
}

/* The keeper's loop has blocked what it takes as events. */
static void give_signals_back(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
}

static _Noreturn void become_program(const struct cell_spec *spec)
{
	struct hy_err e = { 0 };

	give_signals_back();
	/* the limits last: a sanitizer's memory is beyond them, and nothing is allocated behind */
	if (denied_seal(&e) == 0 && set_limits(spec, &e) == 0) {
		execve(spec->argv[0], spec->argv, spec->envp);
		hy_err_set(&e, errno, "'%s'", spec->argv[0]);
	}
	hy_err_print("hylics-keeper", &e);
	_exit(CELL_FAILED);
}

static pid_t start_program(const struct cell_spec *spec, struct hy_err *e)
{
	pid_t pid = fork();

	if (pid == 0)
		become_program(spec);
	return pid < 0 ? hy_err_set(e, errno, "module: fork") : pid;
}

/* -- the warden -- */

/* Return: its exit code; -1: it runs */
static int reap(pid_t program)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != program)
			continue;
		return WIFSIGNALED(status) ? SIGNALLED + WTERMSIG(status) : WEXITSTATUS(status);
	}
	return -1;
}

static void hand_on(int signals, pid_t program)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGTERM)
			kill(program, SIGTERM);
	}
}

/* Nothing is left of a keeper that could end it in order. */
static int end_alone(const struct twin_desk *desk, uint16_t port)
{
	kill(-1, SIGSTOP);
	twin_port_reset(desk, port, NULL);
	return SIGNALLED + SIGKILL;
}

struct watch {
	pid_t program;
	int signals, life;
	const struct twin_desk *desk;
	uint16_t port;
};

/* Return: the program's exit code */
static int watch(const struct watch *w)
{
	/* what lies in the socket's queue is to stay there */
	struct pollfd p[] = { { .fd = w->signals, .events = POLLIN }, { .fd = w->life } };
	int code = -1;

	while (code < 0) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return CELL_FAILED;
		if (p[1].revents)
			return end_alone(w->desk, w->port);
		hand_on(w->signals, w->program);
		code = reap(w->program);
	}
	return code;
}

/* Blocked before the program starts: none of its signals, and not its end, is lost. */
static int open_signals(struct hy_err *e)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_SETMASK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? hy_err_set(e, errno, "module: signalfd") : fd;
}

static int go_in(const struct cell_spec *spec, int life, struct twin_desk *desk,
		 struct hy_err *e)
{
	int rc = twin_desk_map(spec->twin, desk, e);

	if (rc == 0)
		rc = twin_enter(spec->twin, e);
	if (rc == 0)
		rc = hy_room_spaces(e);
	if (rc == 0)
		rc = hy_sandbox_started(life, e);	/* all of the keeper's go */
	if (rc == 0)
		rc = twin_desk_inside(desk, e);
	/* nothing that is executed here ever has a capability, whoever its user is */
	if (rc == 0)
		rc = hy_sandbox_bounded(0, e);
	return rc < 0 ? rc : enter_room(spec, e);
}

static int be_warden(const struct cell_spec *spec, int life, struct hy_err *e)
{
	struct twin_desk desk;
	struct watch w = { .life = life, .desk = &desk, .port = spec->port };
	int rc = go_in(spec, life, &desk, e);

	w.signals = rc < 0 ? rc : open_signals(e);
	w.program = w.signals < 0 ? w.signals : start_program(spec, e);
	return w.program < 0 ? w.program : watch(&w);
}

static _Noreturn void begin(const struct cell_spec *spec, int life, int words)
{
	int code, nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct hy_err e = { 0 };

	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
	    dup2(words, STDOUT_FILENO) < 0 || dup2(words, STDERR_FILENO) < 0)
		_exit(CELL_FAILED);
	code = be_warden(spec, life, &e);
	if (code < 0)
		hy_err_print("hylics-keeper", &e);
	_exit(code < 0 ? CELL_FAILED : code);
}

/* -- the keeper's side -- */

int cell_start(struct cell *c, const struct cell_spec *spec, struct hy_err *e)
{
	hy_autofd life = -1, kept = -1, words = -1, said = -1;
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return hy_err_set(e, errno, "module: socket");
	life = ends[0];
	kept = ends[1];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return hy_err_set(e, errno, "module: pipe");
	words = ends[0];
	said = ends[1];
	if (fcntl(words, F_SETFL, O_NONBLOCK) < 0)
		return hy_err_set(e, errno, "module: pipe");
	pid = hy_fork_into(CLONE_NEWPID);
	if (pid < 0)
		return hy_err_set(e, errno, "module: fork");
	if (pid == 0)
		begin(spec, life, said);
	*c = (struct cell){ .pid = pid, .life = hy_fd_steal(&kept),
			    .words = hy_fd_steal(&words) };
	cell_hold(c, spec->twin);
	return 0;
}

void cell_hold(const struct cell *c, const struct twin *t)
{
	twin_send_links(t, c->life);
}
