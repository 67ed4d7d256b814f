/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * send.c - hylics_send()
 *
 * Runs in: programs in a guest
 * Reads from: no untrusted input
 */
#include "include/hylics.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/own.h"
#include "libhylics/maps.h"
#include "libhylics/move.h"
#include "libhylics/send.h"
#include "libhylics/slice.h"

/*
 * The host reads the file, not this memory: what the program has written into the mapping must get
 * there first. (On a share that is memory of this kernel, that is nothing.)
 */
static bool is_written(const void *buf, size_t len, const struct maps_place *place)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), into = (uintptr_t)buf % page;

	return !place->writable || msync((char *)(uintptr_t)buf - into, len + into, MS_SYNC) == 0;
}

/* The file behind the memory; -errno if it is to be sent as bytes. */
static int find(struct lib_conn *c, const void *buf, size_t len, bool fixed, struct slice *s)
{
	struct maps_place place;
	hy_autofd file = maps_find(buf, len, (dev_t)atomic_load(&lib_page()->share_dev), &place);

	if (file < 0)
		return file;
	/* all of it: behind the file's end the plain call finds zeros, or nothing to read */
	if (slice_of(c, file, place.offset, len, s) != MOVE_DONE || s->len != len)
		return -ENOENT;
	if (fixed ? place.writable || slice_flush(s) != MOVE_DONE : !is_written(buf, len, &place))
		return -ENOENT;
	return hy_fd_steal(&file);
}

/* The file to send, moving the connection if that is due; -errno: send bytes. */
static int prepare(struct lib_conn *c, int sock, const void *buf, size_t len, bool may_wait,
		   bool fixed, struct slice *s)
{
	bool pair = move_is_pair(c, sock);
	enum move_reason reason = MOVE_DONE;
	hy_autofd file = -1;

	*s = (struct slice){ .file = -1, .len = len, .tell = -1 };
	if (pair && move_take_back(c, sock))
		return -ENOENT;	/* this call is plain: no going to and fro */
	if (!pair)
		reason = move_allowed();
	else if (!atomic_load(&lib_area()->join))
		(void)move_allowed();	/* look for an agent: its page tells what goes as a slice */
	if (reason == MOVE_DONE && len < HY_LIB_MARK_MIN)
		reason = MOVE_BELOW_THRESHOLD;
	if (reason == MOVE_DONE) {
		file = find(c, buf, len, fixed, s);
		if (file < 0)
			reason = MOVE_NOT_ON_SHARE;
	}
	if (reason == MOVE_DONE && !pair)
		reason = s->left < atomic_load(&lib_page()->threshold) ? MOVE_BELOW_THRESHOLD :
			 move_give(c, sock, s, may_wait);
	move_decided(c, sock, reason, s);
	return reason == MOVE_DONE ? hy_fd_steal(&file) : -ENOENT;
}

ssize_t send_memory(struct lib_conn *c, int sock, const void *buf, size_t len, int flags,
		    bool fixed)
{
	struct slice s = { .tell = -1 };
	bool may_wait = !(flags & MSG_DONTWAIT);
	hy_autofd file = -ENOENT;

	if (!(flags & ~SEND_FLAGS))
		file = prepare(c, sock, buf, len, may_wait, fixed, &s);
	return file < 0 ? file : slice_put(c, sock, &s, may_wait);
}

static ssize_t mem_call(struct lib_conn *c, int sock, const void *buf, size_t len, int flags)
{
	ssize_t n = send_memory(c, sock, buf, len, flags, false);

	if (n == -EAGAIN || n == -EINTR) {
		errno = (int)-n;
		return -1;
	}
	return n < 0 ? send(sock, buf, len, flags) : n;	/* raises SIGPIPE, if it is to be */
}

ssize_t hylics_send(int sock, const void *buf, size_t len, int flags)
{
	int cancel;
	struct lib_conn *c = lib_enter(sock, &cancel);
	ssize_t n = c ? mem_call(c, sock, buf, len, flags) : send(sock, buf, len, flags);

	lib_leave(c, cancel);
	return n;
}
