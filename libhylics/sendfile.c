/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sendfile.c - hylics_sendfile()
 *
 * Runs in: programs in a guest
 * Reads from: no untrusted input
 *
 * Only the plain case is ours: bytes that are there, of a file of the share, from a readable
 * descriptor. Everything else goes to sendfile(2), which works with a pair as well as with a TCP
 * socket: its bytes then travel as bytes, and its errors are the kernel's own.
 *
 * A moved call costs four system calls: fstat() of socket and file, F_GETFL of the socket, and the
 * marker's sendmsg(); before Linux 6.5 three more for that. A file's first costs one more.
 */
#include "libhylics/sendfile.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "common/clock.h"
#include "include/hylics.h"
#include "libhylics/datagrams.h"
#include "libhylics/move.h"
#include "libhylics/slice.h"

/* As the program made it. */
struct call {
	int sock, fd;
	off_t *offset;
	size_t count;
	bool stay;		/* see lib_sendfile() */
};

/*
 * What of the call is ours, moving the connection if that is due; false: the plain call's. Where
 * there is nothing to decide, nobody is asked: neither for the file's position nor for *offset.
 */
static bool prepare(struct lib_conn *c, const struct call *call, struct slice *s)
{
	const off_t *offset = call->offset;
	int sock = call->sock, fd = call->fd;
	bool pair = move_is_pair(c, sock);
	enum move_reason reason = MOVE_DONE;

	*s = (struct slice){ .file = fd, .len = call->count, .tell = -1 };
	if (pair && move_take_back(c, sock))
		return false;	/* this call is plain: no going to and fro */
	if (!pair)
		reason = call->stay ? MOVE_BELOW_THRESHOLD : move_allowed();
	else if (!atomic_load(&lib_area()->join))
		(void)move_allowed();	/* look for an agent: its page tells what goes as a slice */
	if (reason == MOVE_DONE) {
		off_t from = offset ? *offset : lseek(fd, 0, SEEK_CUR);

		s->offset = (uint64_t)from;
		reason = slice_of(c, fd, from, call->count, s);
	}
	/* a call too short for a marker goes as bytes from either side: none is moved for it */
	if (reason == MOVE_DONE && s->len < HY_LIB_MARK_MIN)
		reason = MOVE_BELOW_THRESHOLD;
	if (reason == MOVE_DONE && !pair && s->left < atomic_load(&lib_page()->threshold))
		reason = MOVE_BELOW_THRESHOLD;
	if (reason == MOVE_DONE)
		reason = slice_flush(s);
	if (reason == MOVE_DONE && !pair)
		reason = move_give(c, sock, s, true);
	move_decided(c, sock, reason, s);
	return reason == MOVE_DONE;
}

/*
 * What a plain byte costs is found out where the threshold makes bytes plain, now and then. Short
 * calls tell nothing of it: most of what they cost is the call.
 */
static ssize_t plain_call(const struct lib_conn *c, const struct call *call)
{
	struct lib_area *a = lib_area();
	uint64_t began_ns;
	ssize_t n;

	if (atomic_load(&c->reason) != MOVE_BELOW_THRESHOLD || atomic_load(&c->is_pair) ||
	    call->stay || call->count < HY_THRESHOLD_MIN ||
	    atomic_fetch_add(&a->plains, 1) % HY_COST_SLICES_EVERY != 0)
		return sendfile(call->sock, call->fd, call->offset, call->count);
	began_ns = hy_clock_cpu_ns();
	n = sendfile(call->sock, call->fd, call->offset, call->count);
	if (n >= (ssize_t)HY_THRESHOLD_MIN) {
		atomic_fetch_add(&a->plain_ns, hy_clock_cpu_ns() - began_ns);
		atomic_fetch_add(&a->plain_bytes, (uint64_t)n);
	}
	return n;
}

static ssize_t file_call(struct lib_conn *c, const struct call *call)
{
	struct slice s = { .tell = -1 };
	ssize_t n = -EINVAL;

	if (prepare(c, call, &s))
		n = slice_put(c, call->sock, &s, true);
	if (n == -EAGAIN || n == -EINTR) {
		errno = (int)-n;
		return -1;
	}
	if (n < 0)	/* the plain call raises SIGPIPE, too */
		return plain_call(c, call);
	if (call->offset)
		*call->offset = (off_t)s.offset + n;
	else
		(void)lseek(call->fd, (off_t)s.offset + n, SEEK_SET);
	return n;
}

ssize_t lib_sendfile(int sock, int fd, off_t *offset, size_t count, bool stay)
{
	const struct call call = { .sock = sock, .fd = fd, .offset = offset, .count = count,
				   .stay = stay };
	int cancel;
	struct lib_conn *c = lib_enter(sock, &cancel);
	ssize_t n = c ? file_call(c, &call) : sendfile(sock, fd, offset, count);

	lib_leave(c, cancel);
	return n;
}

ssize_t hylics_sendfile(int sock, int fd, off_t *offset, size_t count)
{
	if (datagrams_wanted(sock))
		return datagrams_send(sock, fd, offset, count);
	return lib_sendfile(sock, fd, offset, count, false);
}
