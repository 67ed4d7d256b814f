/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * job.c - work that may take long, done in a child so that the loop goes on
 *
 * Runs in: hylicsd
 * Reads from: the child, which is hylicsd itself but may have met hostile content
 */
#include "hylicsd/job.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/own.h"

#define AGAIN_US 10000

/* -- the child -- */

static int by_number(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Close all above standard error but these. */
static void close_others(const struct job_spec *s, int tell)
{
	int keep[JOB_FDS_MAX + 1];
	unsigned int from = STDERR_FILENO + 1;

	memcpy(keep, s->keep, s->n_keep * sizeof(int));
	keep[s->n_keep] = tell;
	qsort(keep, s->n_keep + 1, sizeof(int), by_number);
	for (unsigned int i = 0; i <= s->n_keep; i++) {
		if (keep[i] < (int)from)
			continue;
		if (keep[i] > (int)from)
			close_range(from, (unsigned int)keep[i] - 1, 0);
		from = (unsigned int)keep[i] + 1;
	}
	close_range(from, ~0u, 0);
}

static _Noreturn void be_child(const struct job_spec *s, int tell, pid_t parent)
{
	struct hy_err e = { 0 };
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);	/* nobody would hear of its end */
	if (getppid() != parent)
		_exit(1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	close_others(s, tell);
	if (s->work(s->object, &e) == 0)
		e = (struct hy_err){ 0 };
	_exit(write(tell, &e, sizeof(e)) == sizeof(e) ? 0 : 1);
}

static void be_first(void)
{
	static const char most[] = "1000";
	hy_autofd fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, most, sizeof(most) - 1) < 0)
		return;			/* then the kernel chooses */
}

int job_enter(const struct cgroup_door *door, struct hy_err *e)
{
	int rc = cgroup_enter(door);

	if (rc < 0)
		return hy_err_set(e, -rc, "enter the VM's cgroup");
	be_first();
	return 0;
}

static volatile sig_atomic_t is_late;

static void be_late(int signo)
{
	(void)signo;
	is_late = 1;
}

/* The kernel gives up for a signal. One that comes before it begins is followed by others. */
int job_limit(const struct cgroups *c, const char *name, uint64_t bytes, uint64_t ms,
	      struct hy_err *e)
{
	static const struct itimerval never;
	const struct itimerval then = {
		.it_value = { (time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000 + 1) },
		.it_interval = { .tv_usec = AGAIN_US },
	};
	struct sigaction act = { .sa_handler = be_late };
	int rc;

	is_late = 0;
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &then, NULL);
	rc = cgroup_limit(c, name, bytes, e);
	setitimer(ITIMER_REAL, &never, NULL);
	if (!is_late || (rc != -EINTR && rc != -EBUSY))
		return rc;
	return hy_err_set(e, ETIMEDOUT, "cgroup '%s': what is above %" PRIu64 " bytes is not moved "
			  "out, or comes back at once; the old limit holds", name, bytes);
}

/* -- hylicsd -- */

static int hear(struct job *j, int status, struct hy_err *e)
{
	ssize_t n = read(j->hear, e, sizeof(*e));

	if (n == sizeof(*e)) {
		e->code = NULL;		/* a pointer of another process, if it is anything */
		e->field[sizeof(e->field) - 1] = e->text[sizeof(e->text) - 1] = '\0';
		return e->num > 0 ? -e->num : 0;
	}
	if (WIFSIGNALED(status))
		return hy_err_set(e, EIO, "killed by signal %d", WTERMSIG(status));
	return hy_err_set(e, EIO, "ended without a word");
}

static void child_ended(void *object, pid_t pid, int status)
{
	struct job *j = object;
	struct hy_err e = { 0 };
	int rc = hear(j, status, &e);

	(void)pid;
	j->child.pid = 0;
	hy_fd_close(&j->hear);
	j->done(j->object, rc, &e);
}

int job_start(struct job *j, struct ev_loop *loop, const struct job_spec *s, struct hy_err *e)
{
	pid_t parent = getpid(), pid;
	int ends[2], rc;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return hy_err_set(e, errno, "%s: pipe", s->name);
	pid = fork();
	if (pid == 0)
		be_child(s, ends[1], parent);
	close(ends[1]);
	j->hear = ends[0];
	j->child = (struct ev_child){ .fn = child_ended, .object = j, .pid = pid, .pidfd = -1 };
	rc = pid < 0 ? hy_err_set(e, errno, "fork") : ev_child_watch(loop, &j->child, e);
	if (rc == 0)
		return 0;
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	j->child.pid = 0;
	hy_fd_close(&j->hear);
	return hy_err_add(e, "%s", s->name);
}

void job_cancel(struct job *j)
{
	if (job_runs(j))
		kill(j->child.pid, SIGKILL);
}
