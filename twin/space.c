/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * space.c - a user and a network namespace that belong together, held by descriptors
 *
 * Runs in: the keeper (host, root)
 * Reads from: no untrusted input
 *
 * A short-lived child makes the namespaces, so that the caller never is in a user namespace it
 * could not leave again. It waits until it is killed: then the descriptors hold them alone.
 */
#include "twin/space.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/own.h"

#define MAP_TEXT_MAX 4096		/* a page: the longest write the kernel takes for a map */
#define PROC_PATH_MAX 64

/* The child's whole life. What it has to say is one errno, 0 for none. */
static _Noreturn void be_inside(int tell, pid_t parent)
{
	char word = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* its parent looks into its /proc, which else takes CAP_SYS_PTRACE; it has no secrets */
	prctl(PR_SET_DUMPABLE, 1);
	if (getppid() != parent)
		_exit(1);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		word = (char)errno;
	if (write(tell, &word, 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* Returns 0 when the child is in its namespaces, else the errno that kept it out. */
static int hear(int fd)
{
	char word = 0;
	ssize_t got;

	do
		got = read(fd, &word, 1);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno;
	return got == 1 ? (unsigned char)word : ECHILD;
}

static void end_child(const pid_t *child)
{
	int saved = errno;

	if (*child > 0) {
		kill(*child, SIGKILL);
		while (waitpid(*child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	errno = saved;
}

static int open_of(pid_t child, const char *what, int flags)
{
	char path[PROC_PATH_MAX];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)child, what);
	return open(path, flags | O_CLOEXEC);
}

/* A line of a map: the first id inside, the first outside, how many. */
static bool take_ids(const char *line, unsigned long *first, unsigned long *count)
{
	char *end;

	*first = strtoul(line, &end, 10);
	strtoul(end, &end, 10);
	*count = strtoul(end, &end, 10);
	return *end == '\n' && *count > 0;
}

/* The caller's own ids, each mapped to itself, in one write as the kernel wants it. */
static int map_ids(pid_t child, const char *map, struct hy_err *e)
{
	char own_path[PROC_PATH_MAX], text[MAP_TEXT_MAX];
	hy_autofree char *line = NULL;
	unsigned long first, count;
	size_t used = 0, room = 0;
	hy_autofile *own = NULL;
	hy_autofd fd = -1;

	snprintf(own_path, sizeof(own_path), "/proc/self/%s", map);
	own = fopen(own_path, "re");
	if (!own)
		return hy_err_set(e, errno, "%s: open", own_path);
	while (used < sizeof(text) && getline(&line, &room, own) > 0) {
		if (!take_ids(line, &first, &count))
			return hy_err_set(e, EPROTO, "%s: '%s'", own_path, line);
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%lu %lu %lu\n", first,
					 first, count);
	}
	if (!used || used >= sizeof(text))
		return hy_err_set(e, E2BIG, "%s: cannot be repeated", own_path);
	fd = open_of(child, map, O_WRONLY);
	if (fd < 0 || write(fd, text, used) != (ssize_t)used)
		return hy_err_set(e, errno, "twin's user namespace: write its %s", map);
	return 0;
}

static int hold(struct space *s, pid_t child, struct hy_err *e)
{
	hy_autofd user = open_of(child, "ns/user", O_RDONLY);
	hy_autofd net = user < 0 ? -1 : open_of(child, "ns/net", O_RDONLY);
	hy_autofd home = net < 0 ? -1 : open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (home < 0)
		return hy_err_set(e, errno, "twin's namespaces: open");
	*s = (struct space){ hy_fd_steal(&user), hy_fd_steal(&net), hy_fd_steal(&home) };
	return 0;
}

int space_make(struct space *s, struct hy_err *e)
{
	__attribute__((cleanup(end_child))) pid_t child = -1;
	hy_autofd hears = -1;
	hy_autofd tells = -1;
	pid_t parent = getpid();
	int ends[2], rc;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return hy_err_set(e, errno, "twin's namespaces: pipe");
	hears = ends[0];
	tells = ends[1];
	child = fork();
	if (child < 0)
		return hy_err_set(e, errno, "twin's namespaces: fork");
	if (child == 0)
		be_inside(tells, parent);
	hy_fd_close(&tells);
	rc = hear(hears);
	if (rc)
		return hy_err_set(e, rc, "twin's namespaces: unshare");
	rc = map_ids(child, "uid_map", e);
	if (rc == 0)
		rc = map_ids(child, "gid_map", e);
	return rc < 0 ? rc : hold(s, child, e);
}

void space_close(struct space *s)
{
	hy_fd_close(&s->user);
	hy_fd_close(&s->net);
	hy_fd_close(&s->home);
}

int space_enter(const struct space *s, struct hy_err *e)
{
	if (setns(s->user, CLONE_NEWUSER) < 0)
		return hy_err_set(e, errno, "enter the twin's user namespace");
	if (setns(s->net, CLONE_NEWNET) < 0)
		return hy_err_set(e, errno, "enter the twin's network namespace");
	return 0;
}

int space_visit(const struct space *s, struct hy_err *e)
{
	if (setns(s->net, CLONE_NEWNET) < 0)
		return hy_err_set(e, errno, "visit the twin's network namespace");
	return 0;
}

void space_leave(const struct space *s)
{
	/* What this thread did next would be done in the wrong network. */
	if (setns(s->home, CLONE_NEWNET) < 0)
		abort();
}

int space_socket(const struct space *s, int family, int type, int protocol)
{
	int fd = space_visit(s, NULL);

	if (fd < 0)
		return fd;
	fd = socket(family, type | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		fd = -errno;
	space_leave(s);
	return fd;
}
