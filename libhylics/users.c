/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * users.c - who else holds or waits for a socket: numbers, epolls, the parent
 *
 * Runs in: programs in a guest
 * Reads from: /proc of the process itself and of its parent
 *
 * Every number is asked for its socket's cookie, which finds duplicates, and what is no socket,
 * what it is: an inode without a type may be an epoll, which is tried by taking out of it what it
 * does not have, or an io_uring, whose requests hold the socket itself. The numbers are counted, as
 * reading them in /proc costs twice as much as looking. Where one is not in use, /proc tells the
 * next one that is: so neither a gap nor a single high number has to be counted through.
 *
 * Who has the socket by O_PATH can do nothing with it, and so does not count.
 *
 * An epoll that has delivered the one event of EPOLLONESHOT cannot be put behind another socket:
 * the kernel has no way to add an entry that is not armed, and one that is would report a hangup
 * while the thread that got the event is still at work.
 */
#include "libhylics/users.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/own.h"
#include "libhylics/lines.h"
#include "libhylics/threads.h"

#define PROC_PATH_MAX 64
/* The calling thread's: when the first thread of a process has ended, /proc/self has nothing. */
#define PROC_SELF "/proc/thread-self"
#define RING "anon_inode:[io_uring]"
#define ONE_ENTRY 32		/* bytes of a directory's entry whose name is a number */
#define GAP_SHORT 12		/* so many unused numbers are tried in the time of one look */
/* what a disarmed entry keeps of its events */
#define NOT_EVENTS (EPOLLWAKEUP | EPOLLONESHOT | (uint32_t)EPOLLET | EPOLLEXCLUSIVE)

struct sought {
	int sock;
	int stranger;		/* pollable, and in no epoll */
	uint64_t cookie;	/* of the socket, no other has it */
	ino_t ino;
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

	if (strncmp(line, "tfd:", 4) != 0)
		return 0;
	if (!field(line, " ino:", 16, &ino))
		return -EPROTO;
	if (ino != s->ino)	/* nearly all of them */
		return 0;
	if (!field(line, "tfd:", 10, &tfd) || !field(line, "events:", 16, &events) ||
	    !field(line, "data:", 16, &data))
		return -EPROTO;
	if (tfd != (uint64_t)s->sock || u->n == HY_LIB_EPOLLS_MAX ||
	    ((events & EPOLLONESHOT) && !(events & ~(uint64_t)NOT_EVENTS)))
		return -EBUSY;
	u->watch[u->n++] = (struct users_watch){ .epoll = s->epoll, .events = (uint32_t)events,
						 .data = data };
	return 0;
}

static int read_list(struct sought *s, int epoll)
{
	char path[PROC_PATH_MAX];

	snprintf(path, sizeof(path), PROC_SELF "/fdinfo/%d", epoll);
	s->epoll = epoll;
	return lines_each(path, take_watch, s);
}

/* -- numbers -- */

static int cookie_of(int fd, uint64_t *cookie)
{
	socklen_t len = sizeof(*cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &len) < 0 ? -errno : 0;
}

/* Of an epoll the answer is ENOENT, of anything else EINVAL. */
static bool is_epoll(const struct sought *s, int fd)
{
	return epoll_ctl(fd, EPOLL_CTL_DEL, s->stranger, NULL) < 0 && errno == ENOENT;
}

/* What an io_uring was asked to do is not told: it may be reading from the socket. */
static int look_at_nameless(struct sought *s, int fd)
{
	char path[PROC_PATH_MAX], name[sizeof(RING)];
	ssize_t n;

	if (is_epoll(s, fd))
		return read_list(s, fd);
	snprintf(path, sizeof(path), PROC_SELF "/fd/%d", fd);
	n = readlink(path, name, sizeof(name));
	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	return n == sizeof(RING) - 1 && memcmp(name, RING, sizeof(RING) - 1) == 0 ? -EBUSY : 0;
}

/* Return: 0, -EBUSY, -EBADF: not in use, -errno */
static int look_at_fd(struct sought *s, int fd)
{
	struct stat st;
	uint64_t cookie;
	int rc;

	if (fd == s->sock)
		return 0;
	rc = cookie_of(fd, &cookie);
	if (rc == 0)
		return cookie == s->cookie ? -EBUSY : 0;
	if (rc != -ENOTSOCK)
		return rc;
	if (fstat(fd, &st) < 0)
		return -errno;
	return (st.st_mode & S_IFMT) ? 0 : look_at_nameless(s, fd);
}

/*
 * The lowest number in use from @from on: a number stands in the directory at its own place, behind
 * "." and "..". Return: -ENOENT if there is none, -errno
 */
static int next_in_use(int *dir, int from)
{
	struct dirent64 found;
	ssize_t n;

	if (*dir < 0)
		*dir = open(PROC_SELF "/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*dir < 0 || lseek(*dir, (off_t)from + 2, SEEK_SET) < 0)
		return -errno;
	n = syscall(SYS_getdents64, *dir, &found, ONE_ENTRY);
	if (n <= 0)
		return n < 0 ? -errno : -ENOENT;
	return (int)strtol(found.d_name, NULL, 10);
}

static int look_at_fds(struct sought *s)
{
	int gap = 0, patience = 0, rc;
	hy_autofd dir = -1;

	for (int fd = 0; fd < INT_MAX; fd++) {
		rc = look_at_fd(s, fd);
		if (rc < 0 && rc != -EBADF)
			return rc;
		gap = rc < 0 ? gap + 1 : 0;
		if (gap <= patience)
			continue;
		rc = next_in_use(&dir, fd + 1);
		if (rc < 0)
			return rc == -ENOENT ? 0 : rc;
		gap += rc - fd - 1;
		if (gap <= GAP_SHORT)
			patience = gap;		/* there may be more like this one */
		gap = 0;
		fd = rc - 1;
	}
	return 0;
}

/*
 * The process that forked us, with the same number: servers that fork for each connection close it
 * there. One that cannot be looked at (another user's, or gone) has no such number for us.
 */
static int look_at_parent(const struct sought *s)
{
	char path[PROC_PATH_MAX], name[PROC_PATH_MAX], ours[PROC_PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getppid(), s->sock);
	n = readlink(path, name, sizeof(name) - 1);
	if (n < 0)
		return 0;
	name[n] = '\0';
	snprintf(ours, sizeof(ours), "socket:[%llu]", (unsigned long long)s->ino);
	return strcmp(name, ours) == 0 ? -EBUSY : 0;
}

int users_find(int sock, int stranger, struct users *u)
{
	struct sought s = { .sock = sock, .stranger = stranger, .u = u };
	struct stat st;
	int rc = cookie_of(sock, &s.cookie);

	u->n = 0;
	if (rc < 0)
		return rc;
	if (fstat(sock, &st) < 0)
		return -errno;
	s.ino = u->ino = st.st_ino;
	rc = look_at_parent(&s);
	if (rc == 0)
		rc = look_at_fds(&s);
	return rc < 0 ? rc : threads_find(sock);
}
