/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc.c - a process of a VM: started by one hylicsd, taken over by the next
 *
 * Runs in: hylicsd
 * Reads from: marks in a VM's directory, which only root writes; /proc
 */
#include "hylicsd/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/own.h"
#include "common/owner.h"

#define MARK_NAME_MAX 64

static void mark_name(const struct proc *p, char name[MARK_NAME_MAX])
{
	snprintf(name, MARK_NAME_MAX, "%s.owner", p->name);
}

/* -- the new process -- */

static int write_mark(const struct proc *p, int dir, struct hy_err *e)
{
	char name[MARK_NAME_MAX], text[HY_OWNER_TEXT_MAX];
	hy_autofd fd = -1;
	ssize_t len;
	int rc = hy_owner_self(text, e);

	if (rc < 0)
		return rc;
	mark_name(p, name);
	len = (ssize_t)strlen(text);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, (size_t)len) != len)
		return hy_err_set(e, errno, "'%s'", name);
	return 0;
}

/* Standard output and error stay hylicsd's: the journal's, or the terminal's. */
static int detach(struct hy_err *e)
{
	hy_autofd null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	sigemptyset(&none);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || setsid() < 0 ||
	    sigprocmask(SIG_SETMASK, &none, NULL) < 0 || signal(SIGPIPE, SIG_DFL) == SIG_ERR)
		return hy_err_set(e, errno, "leave the starter's session");
	return 0;
}

static int become(const struct proc *p, const struct proc_spec *s, struct hy_err *e)
{
	int rc = detach(e);

	if (rc == 0 && s->enter)
		rc = s->enter(s->object, e);
	if (rc == 0)
		rc = write_mark(p, s->dir, e);
	if (rc < 0)
		return rc;
	prctl(PR_SET_PDEATHSIG, 0);
	execv(s->argv[0], s->argv);
	return hy_err_set(e, errno, "'%s'", s->argv[0]);
}

/*
 * Until its mark is there it dies with its starter: else the next one would not know of it, start
 * another one, and have that one's mark written over.
 */
static _Noreturn void be_process(const struct proc *p, const struct proc_spec *s, int tell,
				 pid_t starter)
{
	struct hy_err e = { 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != starter)
		_exit(1);
	become(p, s, &e);
	if (write(tell, &e, sizeof(e)) != sizeof(e))
		_exit(2);
	_exit(1);
}

/* -- hylicsd -- */

static void process_ended(void *object, pid_t pid, int status)
{
	struct proc *p = object;

	(void)pid;
	p->child.pid = 0;
	p->ended(p->object, p, status);
}

static int watch(struct proc *p, struct ev_loop *loop, pid_t pid, struct hy_err *e)
{
	int rc;

	p->child = (struct ev_child){ .fn = process_ended, .object = p, .pid = pid, .pidfd = -1 };
	rc = ev_child_watch(loop, &p->child, e);
	if (rc < 0)
		p->child.pid = 0;
	return rc;
}

/* Nothing is read when exec closed the other end: the program runs. */
static int hear(int fd, struct hy_err *e)
{
	struct hy_err told;
	ssize_t n;

	do {
		n = read(fd, &told, sizeof(told));
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	if (n != sizeof(told))
		return hy_err_set(e, EIO, "the new process said nothing of use");
	if (e)
		*e = told;
	return -told.num;
}

int proc_start(struct proc *p, struct ev_loop *loop, const struct proc_spec *s, struct hy_err *e)
{
	int ends[2], rc;
	pid_t pid, self = getpid();

	if (pipe2(ends, O_CLOEXEC) < 0)
		return hy_err_set(e, errno, "%s: pipe", p->name);
	pid = fork();
	if (pid == 0)
		be_process(p, s, ends[1], self);
	close(ends[1]);
	rc = pid < 0 ? hy_err_set(e, errno, "fork") : hear(ends[0], e);
	close(ends[0]);
	if (rc == 0)
		rc = watch(p, loop, pid, e);
	if (rc == 0)
		return 0;
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return hy_err_add(e, "start %s", p->name);
}

/* Return: false if there is no mark, or none that was written to its end */
static bool read_mark(const struct proc *p, int dir, struct hy_owner *o)
{
	char name[MARK_NAME_MAX], text[HY_OWNER_TEXT_MAX + 1];
	const char *at = text;
	hy_autofd fd = -1;
	ssize_t n;

	mark_name(p, name);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return false;
	text[n] = '\0';
	return hy_owner_take(&at, o) && *at == '\0' && o->pid <= INT32_MAX;
}

bool proc_is_left(const struct proc *p, int dir)
{
	struct hy_owner o;

	return read_mark(p, dir, &o) && hy_owner_lives(&o);
}

int proc_take_over(struct proc *p, struct ev_loop *loop, int dir, struct hy_err *e)
{
	struct hy_owner o;
	int rc;

	if (!read_mark(p, dir, &o) || !hy_owner_lives(&o))
		return 0;
	rc = watch(p, loop, (pid_t)o.pid, e);
	if (rc < 0)
		return rc == -ESRCH ? 0 : hy_err_add(e, "take over %s", p->name);
	if (hy_owner_lives(&o))
		return 1;
	proc_forget(p);		/* it ended meanwhile, and its number may be another's */
	return 0;
}

void proc_signal(const struct proc *p, int signo)
{
	if (proc_runs(p))
		syscall(SYS_pidfd_send_signal, p->child.pidfd, signo, NULL, 0);
}

void proc_forget(struct proc *p)
{
	if (proc_runs(p))
		ev_child_forget(&p->child);
	p->child.pid = 0;
}
