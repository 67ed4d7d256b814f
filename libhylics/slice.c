/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * slice.c - a piece of a file, and how it goes down the pair
 *
 * Runs in: programs in a guest
 * Reads from: no untrusted input
 */
#include "libhylics/slice.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "common/own.h"
#include "libhylics/grow.h"

#define KERNEL_COUNT_MAX 0x7ffff000u	/* more than this no call of the kernel sends */
#define APART_MAJOR 6
#define APART_MINOR 5

/*
 * May the program read through this number? Asked once for each file: what the number was opened
 * for is believed until it leads to another file.
 */
static bool is_readable(struct lib_conn *c, int file, ino_t ino)
{
	int flags;

	if (atomic_load(&c->read_fd) == file && atomic_load(&c->read_ino) == ino)
		return true;
	flags = fcntl(file, F_GETFL);
	if (flags < 0 || (flags & O_PATH) || (flags & O_ACCMODE) == O_WRONLY)
		return false;
	atomic_store(&c->read_fd, file);
	atomic_store(&c->read_ino, ino);
	return true;
}

enum move_reason slice_of(struct lib_conn *c, int file, off_t offset, size_t count,
			  struct slice *s)
{
	const struct hy_page *p = lib_page();
	struct stat st;
	uint64_t left;

	/* what sendfile(2) refuses is left to it */
	if (offset < 0 || count > SSIZE_MAX || (off_t)count > INT64_MAX - offset)
		return MOVE_ERROR;
	if (fstat(file, &st) < 0)
		return MOVE_NOT_ON_SHARE;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	if (!S_ISREG(st.st_mode) || st.st_dev != atomic_load(&p->share_dev))
		return MOVE_NOT_ON_SHARE;
	if (count == 0 || offset >= st.st_size)
		return MOVE_BELOW_THRESHOLD;
	if (!is_readable(c, file, st.st_ino))
		return MOVE_UNREADABLE;
	left = (uint64_t)(st.st_size - offset);
	if (count > left)
		count = left;
	if (count > KERNEL_COUNT_MAX)
		count = KERNEL_COUNT_MAX;
	*s = (struct slice){ .file = file, .offset = (uint64_t)offset, .len = count,
			     .left = left, .tell = -1, .dev = st.st_dev, .ino = st.st_ino };
	return MOVE_DONE;
}

enum move_reason slice_flush(const struct slice *s)
{
	const unsigned int flags = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
				   SYNC_FILE_RANGE_WAIT_AFTER;

	return sync_file_range(s->file, (off_t)s->offset, (off_t)s->len, flags) == 0 ? MOVE_DONE :
										      MOVE_ERROR;
}

/*
 * Does this kernel keep a marker apart from the bytes of a sendfile() behind it? If not, the marker
 * has to name its sender (common/fdpass.h), which is three calls more.
 */
static bool keeps_apart(void)
{
	static _Atomic int known;	/* 1: yes, -1: no */
	unsigned long major, minor;
	struct utsname name;
	char *at;

	if (atomic_load(&known))
		return atomic_load(&known) > 0;
	if (uname(&name) < 0)
		return false;
	major = strtoul(name.release, &at, 10);
	minor = *at == '.' ? strtoul(at + 1, NULL, 10) : 0;
	atomic_store(&known, major > APART_MAJOR || (major == APART_MAJOR && minor >= APART_MINOR) ?
			     1 : -1);
	return atomic_load(&known) > 0;
}

static ssize_t send_marker(int sock, const uint8_t *bytes, const struct hy_fds *fds, int flags)
{
	struct ucred me;

	if (keeps_apart())
		return hy_fds_send_once(sock, bytes, LOCAL_MARKER_LEN, fds, NULL, flags);
	me = (struct ucred){ .pid = getpid(), .uid = geteuid(), .gid = getegid() };
	return hy_fds_send_once(sock, bytes, LOCAL_MARKER_LEN, fds, &me, flags);
}

/* The next @len bytes. */
static int put_marker(struct lib_conn *c, int sock, struct slice *s, uint64_t len, int flags)
{
	struct local_marker m = { .offset = s->offset + s->done, .len = len,
				  .flags = s->tell < 0 ? 0 : LOCAL_MARK_TELL };
	const struct hy_fds fds = { .n = s->tell < 0 ? 1 : 2, .fd = { s->file, s->tell } };
	uint8_t bytes[LOCAL_MARKER_LEN];
	struct grow_put p;
	ssize_t n;

	grow_begin(c, &p, &m);
	local_encode_marker(&m, bytes);
	n = send_marker(sock, bytes, &fds, flags);
	grow_end(c, &p, n < 0 ? NULL : s, &m);
	if (n < 0)
		return (int)n;
	/* the kernel cuts no buffer as small as a marker */
	atomic_fetch_add(&c->put, 1);
	s->done += len;
	return 0;
}

/*
 * Wait until the agent says that the last marker's bytes are in the host's socket. A signal, or the
 * socket's time limit, only ends the waiting: the bytes are promised, and cannot be called back.
 */
static int wait_told(int sock, int tell)
{
	struct pollfd p[2] = { { .fd = tell, .events = POLLIN }, { .fd = sock } };
	struct timeval limit = { 0 };
	socklen_t len = sizeof(limit);
	int timeout_ms = -1;

	if (getsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, &len) == 0 &&
	    (limit.tv_sec || limit.tv_usec))
		timeout_ms = limit.tv_sec > INT32_MAX / 1000 - 1 ? INT32_MAX :
			     (int)(limit.tv_sec * 1000 + (limit.tv_usec + 999) / 1000);
	if (poll(p, 2, timeout_ms) <= 0 || (p[0].revents & POLLIN))
		return 0;
	return -EPIPE;
}

/* No marker stands in the pair: all files' bytes promised before are in the host's socket. */
static bool is_alone(const struct lib_conn *c)
{
	return atomic_load(&c->put) == atomic_load(&lib_page()->slot[c->slot].taken);
}

/* What it would take in HY_SLICE_MS, by how much TCP dares to have under way for it now. */
uint32_t slice_first(const struct tcp_info *info)
{
	uint64_t flight = (uint64_t)info->tcpi_snd_cwnd * info->tcpi_snd_mss;
	uint64_t bytes = info->tcpi_rtt ? flight * HY_SLICE_MS * 1000 / info->tcpi_rtt :
					  HY_SLICE_ALONE;

	if (bytes < HY_SLICE_NEW)
		return HY_SLICE_NEW;
	return bytes < HY_SLICE_ALONE ? (uint32_t)bytes : HY_SLICE_ALONE;
}

/* A later agent than the one that took the connection has no slot of it. */
static uint64_t longest(const struct lib_conn *c, bool alone)
{
	bool known = c->join == atomic_load(&lib_area()->join);
	uint64_t max = known ? atomic_load(&lib_page()->slot[c->slot].slice) : HY_SLICE_NEW;

	if (max == 0)
		max = alone ? c->first : HY_SLICE_NEW;
	return max < HY_SLICE_MAX ? max : HY_SLICE_MAX;
}

static uint64_t slice_max(const struct lib_conn *c)
{
	return longest(c, is_alone(c));
}

static uint64_t slice_max_waiting(const struct lib_conn *c)
{
	uint64_t max = slice_max(c);

	return max > HY_SLICE_WAIT ? max : HY_SLICE_WAIT;
}

/* Return: 1: told, 0: not waited to the end, -EPIPE */
static int await_told(int sock, int tell)
{
	uint64_t told;
	int rc = wait_told(sock, tell);

	return rc < 0 ? rc : read(tell, &told, sizeof(told)) == sizeof(told);
}

/* Likewise. */
static int put_and_wait(struct lib_conn *c, int sock, struct slice *s)
{
	uint64_t max = slice_max_waiting(c), left = s->len - s->done;
	uint64_t n = left < max ? left : max;
	int rc = put_marker(c, sock, s, n, 0);

	return rc < 0 ? rc : await_told(sock, s->tell);
}

/* One marker at a time, long ones: the host's own buffer bridges the pause between two. */
static ssize_t put_waiting(struct lib_conn *c, int sock, struct slice *s)
{
	int rc = 1;

	if (s->tell < 0)
		s->tell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->tell < 0)
		return -errno;
	if (s->done)
		rc = await_told(sock, s->tell);
	while (rc > 0 && s->done < s->len)
		rc = put_and_wait(c, sock, s);
	hy_fd_close(&s->tell);
	atomic_fetch_add(&c->offered, s->done);
	if (rc == -EPIPE || (rc < 0 && s->done == 0))
		return rc;
	return (ssize_t)s->done;
}

/* No marker that grows is waited for: what is added to one is not, either. */
static uint64_t add_to_last(struct lib_conn *c, int sock, const struct slice *s)
{
	const uint64_t most[] = { longest(c, false), longest(c, true) };

	return grow_add(c, sock, s, most);
}

/* Until the pair is full, or if the socket blocks after all, and @may_wait, until all is in it. */
static ssize_t put_what_fits(struct lib_conn *c, int sock, struct slice *s, bool may_wait)
{
	int flags = may_wait ? 0 : MSG_DONTWAIT;

	while (s->done < s->len) {
		uint64_t max = slice_max(c), left = s->len - s->done;
		int rc = put_marker(c, sock, s, left < max ? left : max, flags);

		if (rc < 0 && s->done == 0)
			return rc;
		if (rc < 0)
			break;
	}
	atomic_fetch_add(&c->offered, s->done);
	return (ssize_t)s->done;
}

/* What the page says of the slot is of the connection that had it before. */
void slice_begin(struct lib_conn *c, int pair, struct slice *s, bool waits)
{
	uint64_t max = waits ? HY_SLICE_WAIT : c->first;

	if (waits) {
		s->tell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (s->tell < 0)
			return;
	}
	if (put_marker(c, pair, s, s->len < max ? s->len : max, MSG_DONTWAIT) < 0)
		slice_forget(s);
	else
		grow_learn(pair);
}

void slice_forget(struct slice *s)
{
	hy_fd_close(&s->tell);
	s->done = 0;
}

ssize_t slice_put(struct lib_conn *c, int sock, struct slice *s, bool may_wait)
{
	int flags;

	if (s->done == 0)	/* else its own first marker is there, as long as it may be */
		s->done = add_to_last(c, sock, s);
	if (s->done)
		return s->tell < 0 ? put_what_fits(c, sock, s, may_wait) :
				     put_waiting(c, sock, s);
	flags = fcntl(sock, F_GETFL);
	if (flags < 0)
		return -errno;
	if (flags & O_APPEND)
		return -EINVAL;		/* which the plain call complains of, too */
	return may_wait && !(flags & O_NONBLOCK) ? put_waiting(c, sock, s) :
						   put_what_fits(c, sock, s, may_wait);
}
