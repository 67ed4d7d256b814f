/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * threads.c - is another thread of this process inside a system call with a socket?
 *
 * Runs in: programs in a guest
 * Reads from: /proc of the process itself
 */
#include "libhylics/threads.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/own.h"
#include "libhylics/lines.h"

#define PROC_PATH_MAX 64
#define TEXT_MAX 256		/* of a file of /proc with one short line */
#define POLLED_AT_ONCE 64
#define LOOKS 4
#define ENTRIES_BYTES 2048	/* of a directory, read at once */

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

static bool is_polled(int sock, uint64_t list, uint64_t n)
{
	struct pollfd some[POLLED_AT_ONCE];

	while (n > 0) {
		uint64_t now = POLLED_AT_ONCE;

		if (n < now)
			now = n;
		if (!peek(some, list, (size_t)now * sizeof(some[0])))
			return true;
		for (uint64_t i = 0; i < now; i++) {
			if (some[i].fd == sock)
				return true;
		}
		list += now * sizeof(some[0]);
		n -= now;
	}
	return false;
}

static bool is_selected(unsigned int sock, uint64_t n, const uint64_t *sets)
{
	const unsigned int bits = 8 * sizeof(unsigned long);
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
	const int sock = *(const int *)object;
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
	case SYS_restart_syscall:	/* mostly poll(), after a stop; it shows poll's arguments */
	case SYS_ppoll:
		return is_polled(sock, v[1], v[2]) ? -EBUSY : 0;
#ifdef SYS_select
	case SYS_select:
#endif
	case SYS_pselect6:
		return is_selected((unsigned int)sock, v[1], &v[2]) ? -EBUSY : 0;
	case SYS_epoll_ctl:
		return (uint32_t)v[3] == (uint32_t)sock ? -EBUSY : 0;
	default:
		/* of any other call: what merely looks like the descriptor costs us a move */
		return (uint32_t)v[1] == (uint32_t)sock ? -EBUSY : 0;
	}
}

/* -- of a process that may not look -- */

/* Begins of names: compilers add endings, and kernels say a little more or less. */
static const char *const harmless[] = {
	"futex_", "do_epoll_wait", "ep_poll", "pipe_read", "anon_pipe_read", "inet_csk_accept",
	"inet_csk_wait_for_connect", "hrtimer_nanosleep", "do_nanosleep", "do_sigtimedwait",
	"fcntl_setlk", "do_lock_file_wait", "locks_lock_inode_wait",
};

/* Return: 0, -ENOENT or -ESRCH if the thread has ended, -errno */
static int read_text(const char *tid, const char *name, char text[TEXT_MAX])
{
	char path[PROC_PATH_MAX];
	hy_autofd fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/%s", tid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, TEXT_MAX - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	return 0;
}

static bool is_harmless(const char *function)
{
	for (unsigned int i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		if (strncmp(function, harmless[i], strlen(harmless[i])) == 0)
			return true;
	}
	return false;
}

/* "1234 (any) thing) R 1 ...": it runs, or has ended */
static bool is_in_no_call(const char *stat)
{
	const char *name_end = strrchr(stat, ')');

	return name_end && strchr("RZX", name_end[2]);
}

enum at { IN_NO_CALL, HARMLESS, ANYWHERE, UNTOLD };

/* The function's name; "0" if the thread runs. Some kernels have no such file, or always a "0". */
static enum at where(const char *tid)
{
	char text[TEXT_MAX];
	int rc = read_text(tid, "wchan", text);

	if (rc == 0 && strcmp(text, "0") != 0)
		return is_harmless(text) ? HARMLESS : ANYWHERE;
	rc = read_text(tid, "stat", text);
	if (rc < 0)
		return rc == -ENOENT || rc == -ESRCH ? IN_NO_CALL : UNTOLD;	/* it has ended */
	return is_in_no_call(text) ? IN_NO_CALL : UNTOLD;
}

/*
 * One that has just fallen asleep may stand among those that run a little longer, and is nowhere
 * as long: until its processor chooses the next one. If that is ours, it can be now.
 */
static int look_where(const char *tid)
{
	enum at at = where(tid);

	for (unsigned int i = 1; at == UNTOLD && i < LOOKS; i++) {
		sched_yield();
		at = where(tid);
	}
	return at == IN_NO_CALL || at == HARMLESS ? 0 : -EACCES;
}

/* -- each -- */

static int look_at_thread(const char *tid, int sock)
{
	char path[PROC_PATH_MAX];
	int rc;

	if (tid[0] == '.' || is_me(tid))
		return 0;
	snprintf(path, sizeof(path), "/proc/self/task/%.20s/syscall", tid);
	rc = lines_each(path, take_syscall, &sock);
	return rc == -EACCES ? look_where(tid) : rc;
}

/* Without opendir(), which takes memory: a signal handler may have interrupted who does. */
int threads_find(int sock)
{
	char entries[ENTRIES_BYTES] __attribute__((aligned(8)));
	hy_autofd dir = -1;
	struct stat st;
	ssize_t n;
	int rc = 0;

	if (stat("/proc/self/task", &st) < 0)
		return -errno;
	if (st.st_nlink == 3)	/* ".", "..", one thread */
		return 0;
	dir = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	while (rc == 0 && (n = syscall(SYS_getdents64, dir, entries, sizeof(entries))) != 0) {
		if (n < 0)
			return -errno;
		for (ssize_t at = 0; rc == 0 && at < n;) {
			const struct dirent64 *d = (const void *)(entries + at);

			rc = look_at_thread(d->d_name, sock);
			at += d->d_reclen;
		}
	}
	return rc;
}
