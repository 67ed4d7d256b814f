/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * users.c - who else in this process holds or waits for a socket: numbers, epolls, threads
 *
 * Runs in: programs in a guest
 * Reads from: /proc of the process itself
 *
 * Descriptors are told apart by fstat(): the socket's inode finds duplicates, the device of the
 * kernel's nameless files finds what may be an epoll. A readlink() each would cost five times that.
 *
 * An epoll that has delivered the one event of EPOLLONESHOT cannot be put behind another socket:
 * the kernel has no way to add an entry that is not armed, and one that is would report a hangup
 * while the thread that got the event is still at work.
 */
#include "libhylics/users.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/own.h"
#include "libhylics/lines.h"

#define PROC_PATH_MAX 64
#define POLLED_AT_ONCE 64
/* what a disarmed entry keeps of its events */
#define NOT_EVENTS (EPOLLWAKEUP | EPOLLONESHOT | (uint32_t)EPOLLET | EPOLLEXCLUSIVE)

struct sought {
	int sock;
	struct stat st;
	dev_t nameless;		/* device of epolls, eventfds and the like */
	struct users *u;
	int epoll;		/* whose list is being read */
};

/* The number behind "name:" */
static bool field(const char *line, const char *name, int base, uint64_t *value)
{
	const char *at = strstr(line, name);
	char *end;

	if (!at)
		return false;
	at += strlen(name);
	errno = 0;
	*value = strtoull(at, &end, base);
	return end != at && errno == 0;
}

/* -- epolls -- */

/* "tfd: 7 events: 19 data: 7fff0000 pos:0 ino:3a1 sdev:8" */
static int take_watch(void *object, char *line)
{
	struct sought *s = object;
	uint64_t tfd, events, data, ino;
	struct users *u = s->u;

	if (!field(line, "tfd:", 10, &tfd))
		return 0;
	if (!field(line, "events:", 16, &events) || !field(line, "data:", 16, &data) ||
	    !field(line, "ino:", 16, &ino))
		return -EPROTO;
	if (ino != s->st.st_ino)
		return 0;
	if (tfd != (uint64_t)s->sock || u->n == HY_LIB_EPOLLS_MAX ||
	    ((events & EPOLLONESHOT) && !(events & ~(uint64_t)NOT_EVENTS)))
		return -EBUSY;
	u->watch[u->n++] = (struct users_watch){ .epoll = s->epoll, .events = (uint32_t)events,
						 .data = data };
	return 0;
}

static int look_at_fd(struct sought *s, int fd)
{
	static const char name[] = "anon_inode:[eventpoll]";
	char path[PROC_PATH_MAX], link[sizeof(name)];
	struct stat st;
	ssize_t n;

	if (fd == s->sock || fstat(fd, &st) < 0)
		return 0;
	if (st.st_ino == s->st.st_ino && st.st_dev == s->st.st_dev)
		return -EBUSY;
	if (st.st_dev != s->nameless)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link));
	if (n != (ssize_t)sizeof(name) - 1 || memcmp(link, name, sizeof(name) - 1) != 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	s->epoll = fd;
	return lines_each(path, take_watch, s);
}

/* -- threads -- */

static bool is_me(const char *tid)
{
	char me[PROC_PATH_MAX];

	snprintf(me, sizeof(me), "%d", (int)syscall(SYS_gettid));
	return strcmp(me, tid) == 0;
}

/* Memory of another thread, which may be gone when we look: so by a call that may fail. */
static bool peek(void *to, uint64_t from, size_t len)
{
	struct iovec mine = { .iov_base = to, .iov_len = len };
	struct iovec its = { .iov_base = (void *)(uintptr_t)from, .iov_len = len };

	return process_vm_readv(getpid(), &mine, 1, &its, 1, 0) == (ssize_t)len;
}

static bool is_polled(const struct sought *s, uint64_t list, uint64_t n)
{
	struct pollfd some[POLLED_AT_ONCE];

	while (n > 0) {
		uint64_t now = POLLED_AT_ONCE;

		if (n < now)
			now = n;
		if (!peek(some, list, (size_t)now * sizeof(some[0])))
			return true;
		for (uint64_t i = 0; i < now; i++) {
			if (some[i].fd == s->sock)
				return true;
		}
		list += now * sizeof(some[0]);
		n -= now;
	}
	return false;
}

static bool is_selected(const struct sought *s, uint64_t n, const uint64_t *sets)
{
	const unsigned int bits = 8 * sizeof(unsigned long);
	unsigned int sock = (unsigned int)s->sock;
	unsigned long word;

	if (sock >= n)
		return false;
	for (unsigned int i = 0; i < 3; i++) {
		if (!sets[i])
			continue;
		if (!peek(&word, sets[i] + sock / bits * sizeof(word), sizeof(word)) ||
		    word >> sock % bits & 1)
			return true;
	}
	return false;
}

/* "running", or "NUMBER ARG1 ... ARG6 SP PC" of the call it sleeps in */
static int take_syscall(void *object, char *line)
{
	const struct sought *s = object;
	uint64_t v[5] = { 0 };
	char *end;

	if (!isdigit((unsigned char)*line))
		return 0;
	for (unsigned int i = 0; i < 5; i++) {
		v[i] = strtoull(line, &end, 0);
		line = end;
	}
	switch (v[0]) {
#ifdef SYS_poll
	case SYS_poll:
#endif
	case SYS_ppoll:
		return is_polled(s, v[1], v[2]) ? -EBUSY : 0;
#ifdef SYS_select
	case SYS_select:
#endif
	case SYS_pselect6:
		return is_selected(s, v[1], &v[2]) ? -EBUSY : 0;
	default:
		/* of any other call: what merely looks like the descriptor costs us a move */
		return (uint32_t)v[1] == (uint32_t)s->sock ? -EBUSY : 0;
	}
}

static int look_at_threads(struct sought *s)
{
	struct stat st;
	struct dirent *d;
	char path[PROC_PATH_MAX];
	DIR *dir;
	int rc = 0;

	if (stat("/proc/self/task", &st) < 0)
		return -errno;
	if (st.st_nlink == 3)	/* ".", "..", one thread */
		return 0;
	dir = opendir("/proc/self/task");
	if (!dir)
		return -errno;
	while (rc == 0 && (d = readdir(dir))) {
		if (d->d_name[0] == '.' || is_me(d->d_name))
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%.20s/syscall", d->d_name);
		rc = lines_each(path, take_syscall, s);
	}
	closedir(dir);
	return rc;
}

/* -- all of it -- */

/* One device for all of the machine, which never changes. */
static int nameless_device(dev_t *device)
{
	static _Atomic dev_t known;
	struct stat st;
	hy_autofd sample = -1;

	*device = atomic_load(&known);
	if (*device)
		return 0;
	sample = epoll_create1(EPOLL_CLOEXEC);
	if (sample < 0 || fstat(sample, &st) < 0)
		return -errno;
	atomic_store(&known, st.st_dev);
	*device = st.st_dev;
	return 0;
}

static int look_at_fds(struct sought *s)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *d;
	int rc;

	if (!dir)
		return -errno;
	rc = nameless_device(&s->nameless);
	while (rc == 0 && (d = readdir(dir))) {
		if (d->d_name[0] != '.')
			rc = look_at_fd(s, (int)strtol(d->d_name, NULL, 10));
	}
	closedir(dir);
	return rc;
}

int users_find(int sock, struct users *u)
{
	struct sought s = { .sock = sock, .u = u };
	int rc;

	u->n = 0;
	if (fstat(sock, &s.st) < 0)
		return -errno;
	rc = look_at_fds(&s);
	return rc < 0 ? rc : look_at_threads(&s);
}
