/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memory.c - write(), writev(), send(), sendmsg() of mapped share memory
 *
 * Runs in: programs in a guest
 * Reads from: no untrusted input
 *
 * DOC: What is known of memory
 *
 * mmap() notes shared mappings of the share's files that can only be read. A note is a hint: that
 * a call may be worth a look. Whether the bytes are those of a file, and which, libhylics asks the
 * kernel at each call. A note that has led to nothing is dropped; nobody needs to see munmap(),
 * mremap() or mprotect().
 *
 * While nothing is noted a call costs one load more. Then lengths are compared, then addresses: no
 * call that is too short, or of other memory, costs a system call.
 *
 * DOC: Bytes and slices in one call
 *
 * What stands before a mapped piece goes as bytes, by a call of its own with MSG_MORE, then the
 * piece as a slice, and so on. The call returns what was accepted in all. What goes wrong after the
 * first byte only ends it, as it does in the kernel: the next call tells.
 */
#include "preload/memory.h"

#include "preload/next.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "libhylics/move.h"
#include "libhylics/send.h"
#include "preload/gate.h"

#define IOV_LOOKED_AT 64	/* pieces; a call with more is plain */
#define PLAIN (-ENOTSUP)	/* nothing was sent: the program's own call shall be made */

static struct note {
	_Atomic uintptr_t from, to;
} notes[HY_LIB_MAPPINGS_MAX];

static _Atomic unsigned int n_noted;	/* ever; the next one takes the oldest one's place */

/* -- notes -- */

static unsigned int n_notes(void)
{
	unsigned int n = atomic_load_explicit(&n_noted, memory_order_relaxed);

	return n < HY_LIB_MAPPINGS_MAX ? n : HY_LIB_MAPPINGS_MAX;
}

static bool covers(const struct note *n, const struct iovec *v)
{
	uintptr_t from = (uintptr_t)v->iov_base;

	return from >= atomic_load_explicit(&n->from, memory_order_relaxed) &&
	       from + v->iov_len <= atomic_load_explicit(&n->to, memory_order_relaxed);
}

static bool is_noted(const struct iovec *v)
{
	for (unsigned int i = 0; i < n_notes(); i++) {
		if (covers(&notes[i], v))
			return true;
	}
	return false;
}

static void forget(const struct iovec *v)
{
	for (unsigned int i = 0; i < n_notes(); i++) {
		if (covers(&notes[i], v))
			atomic_store_explicit(&notes[i].to, 0, memory_order_relaxed);
	}
}

/* Is it a file of the share? An agent is looked for: who only writes would never have one. */
static bool is_on_share(int fd)
{
	struct stat st;

	if (!gate_open() || !lib_area())
		return false;
	(void)move_allowed();
	return atomic_load(&lib_area()->join) && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       st.st_dev == atomic_load(&lib_page()->share_dev);
}

static void note(void *at, size_t len, int fd)
{
	int saved = errno;
	unsigned int i;

	if (is_on_share(fd)) {
		i = atomic_fetch_add(&n_noted, 1) % HY_LIB_MAPPINGS_MAX;
		atomic_store(&notes[i].to, 0);
		atomic_store(&notes[i].from, (uintptr_t)at);
		atomic_store(&notes[i].to, (uintptr_t)at + len);
	}
	errno = saved;
}

static bool may_be_noted(size_t len, int prot, int flags, int fd)
{
	int type = flags & MAP_TYPE;

	return fd >= 0 && len >= HY_LIB_MARK_MIN && !(flags & MAP_ANONYMOUS) &&
	       (type == MAP_SHARED || type == MAP_SHARED_VALIDATE) &&
	       (prot & (PROT_READ | PROT_WRITE)) == PROT_READ;
}

/**
 * mmap() - As mmap(2)
 * @addr:	From the program, all of them
 * @len:	Bytes
 * @prot:	Protection
 * @flags:	Flags
 * @fd:		File
 * @offset:	In it
 *
 * Return: as mmap(2)
 */
PRELOAD_SHOWN void *(mmap)(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	void *map = mmap(addr, len, prot, flags, fd, offset);

	if (may_be_noted(len, prot, flags, fd) && map != MAP_FAILED)
		note(map, len, fd);
	return map;
}

/* 64-bit alone: the same function under both names. */
PRELOAD_SHOWN void *(mmap64)(void *addr, size_t len, int prot, int flags, int fd,
			      off64_t offset) __attribute__((alias("mmap")));

/* -- the look that costs nothing -- */

/* Long enough for a slice: of a pair's end, or for a move. */
static bool is_long(const struct lib_conn *c, size_t len)
{
	uint64_t least = atomic_load_explicit(&lib_page()->threshold, memory_order_relaxed);

	if (len < HY_LIB_MARK_MIN)
		return false;
	return atomic_load(&c->is_pair) || (least && len >= least);
}

/* The first piece from @i on that may be a slice, @n if none is. */
static int next_slice(const struct lib_conn *c, const struct iovec *iov, int i, int n)
{
	while (i < n && !(is_long(c, iov[i].iov_len) && is_noted(&iov[i])))
		i++;
	return i;
}

/* A sum that the kernel refuses is left to it. */
static bool adds_up(const struct iovec *iov, int n)
{
	size_t left = SSIZE_MAX;

	for (int i = 0; i < n; i++) {
		if (iov[i].iov_len > left)
			return false;
		left -= iov[i].iov_len;
	}
	return true;
}

/* -- the call -- */

/* The program's, and how much of it has gone. */
struct call {
	struct lib_conn *c;
	int fd;
	struct iovec *iov;
	int n;
	int flags;
	size_t done;
};

/* After the first byte what is wrong only ends the call. */
static ssize_t put_bytes(const struct call *k, int from, int to, int flags)
{
	const struct msghdr msg = { .msg_iov = k->iov + from, .msg_iovlen = (size_t)(to - from) };

	return sendmsg(k->fd, &msg, k->flags | flags | (k->done ? MSG_NOSIGNAL : 0));
}

static size_t sum_of(const struct call *k, int from, int to)
{
	size_t sum = 0;

	for (int i = from; i < to; i++)
		sum += k->iov[i].iov_len;
	return sum;
}

/* These return: 1: go on; 0: the call ends with what has gone; -errno: so, if nothing has. */

static int put_until(struct call *k, int from, int slice)
{
	size_t want = sum_of(k, from, slice);
	ssize_t sent;

	if (!want)
		return 1;
	sent = put_bytes(k, from, slice, slice < k->n ? MSG_MORE : 0);
	if (sent < 0)
		return -errno;
	k->done += (size_t)sent;
	return (size_t)sent == want;
}

/* A piece that is no slice after all, and what is behind it. */
static int put_rest(struct call *k, int from)
{
	ssize_t sent;

	if (atomic_load(&k->c->reason) == MOVE_NOT_ON_SHARE)
		forget(&k->iov[from]);
	if (!k->done)
		return PLAIN;
	sent = put_bytes(k, from, k->n, 0);
	k->done += sent > 0 ? (size_t)sent : 0;
	return 0;
}

static int put_slice(struct call *k, int at)
{
	const struct iovec *v = &k->iov[at];
	ssize_t sent = send_memory(k->c, k->fd, v->iov_base, v->iov_len, k->flags, true);

	if (sent == -EAGAIN || sent == -EINTR)
		return (int)sent;
	if (sent < 0)
		return put_rest(k, at);
	k->done += (size_t)sent;
	return (size_t)sent == v->iov_len;
}

/* Return: bytes accepted; -errno, if none */
static ssize_t put_all(struct call *k)
{
	int rc = 1;

	for (int i = 0, at; rc > 0 && i < k->n; i = at + 1) {
		at = next_slice(k->c, k->iov, i, k->n);
		rc = put_until(k, i, at);
		if (rc > 0 && at < k->n)
			rc = put_slice(k, at);
	}
	return k->done || rc >= 0 ? (ssize_t)k->done : rc;
}

/* Return: whether it was done, with @result and errno as the program's call has them */
static bool is_done(int fd, const struct iovec *from, int n, int flags, ssize_t *result)
{
	struct iovec iov[IOV_LOOKED_AT];
	struct call k = { .fd = fd, .iov = iov, .n = n, .flags = flags };
	const struct lib_conn *c = lib_look(fd);
	ssize_t sent = PLAIN;
	int cancel;

	if (n < 1 || n > IOV_LOOKED_AT || !c || (flags & ~SEND_FLAGS) || !gate_open())
		return false;
	memcpy(iov, from, (size_t)n * sizeof(*iov));
	if (!adds_up(iov, n) || next_slice(c, iov, 0, n) == n)
		return false;
	k.c = lib_enter(fd, &cancel);
	if (k.c && move_may(k.c, fd))
		sent = put_all(&k);
	lib_leave(k.c, cancel);
	if (sent == PLAIN)
		return false;
	if (sent < 0)
		errno = (int)-sent;
	*result = sent < 0 ? -1 : sent;
	return true;
}

/*
 * Every call of the program comes by here: while nothing is noted it is a load, a test and a jump,
 * and what comes then is out of its way.
 */
static bool is_anything_noted(void)
{
	return __builtin_expect(atomic_load_explicit(&n_noted, memory_order_relaxed) != 0, 0);
}

__attribute__((noinline))
static ssize_t send_one(int fd, const void *buf, size_t n, int flags, bool is_write)
{
	const struct iovec v = { .iov_base = (void *)(uintptr_t)buf, .iov_len = n };
	ssize_t done;

	if (n >= HY_LIB_MARK_MIN && is_done(fd, &v, 1, flags, &done))
		return done;
	return is_write ? write(fd, buf, n) : send(fd, buf, n, flags);
}

__attribute__((noinline))
static ssize_t send_some(int fd, const struct iovec *iovec, int count)
{
	ssize_t done;

	return is_done(fd, iovec, count, 0, &done) ? done : writev(fd, iovec, count);
}

/**
 * write() - As write(2)
 * @fd:		From the program, all of them
 * @buf:	Bytes
 * @n:		How many
 *
 * Return: as write(2)
 */
PRELOAD_SHOWN ssize_t (write)(int fd, const void *buf, size_t n)
{
	return is_anything_noted() ? send_one(fd, buf, n, 0, true) : write(fd, buf, n);
}

/**
 * writev() - As writev(2)
 * @fd:		From the program, all of them
 * @iovec:	Pieces
 * @count:	How many
 *
 * Return: as writev(2)
 */
PRELOAD_SHOWN ssize_t (writev)(int fd, const struct iovec *iovec, int count)
{
	return is_anything_noted() ? send_some(fd, iovec, count) : writev(fd, iovec, count);
}

/**
 * send() - As send(2)
 * @fd:		From the program, all of them
 * @buf:	Bytes
 * @n:		How many
 * @flags:	Flags
 *
 * Return: as send(2)
 */
PRELOAD_SHOWN ssize_t (send)(int fd, const void *buf, size_t n, int flags)
{
	return is_anything_noted() ? send_one(fd, buf, n, flags, false) : send(fd, buf, n, flags);
}

/**
 * sendto() - As sendto(2)
 * @fd:		From the program, all of them
 * @buf:	Bytes
 * @n:		How many
 * @flags:	Flags
 * @addr:	An address, or NULL as for send()
 * @addr_len:	Its length
 *
 * Return: as sendto(2)
 */
PRELOAD_SHOWN ssize_t (sendto)(int fd, const void *buf, size_t n, int flags,
			       const struct sockaddr *addr, socklen_t addr_len)
{
	return is_anything_noted() && !addr ? send_one(fd, buf, n, flags, false) :
	       sendto(fd, buf, n, flags, addr, addr_len);
}

__attribute__((noinline))
static ssize_t send_message(int sock, const struct msghdr *msg, int flags)
{
	ssize_t n;

	if (msg->msg_name || msg->msg_control || msg->msg_iovlen > IOV_LOOKED_AT ||
	    !is_done(sock, msg->msg_iov, (int)msg->msg_iovlen, flags, &n))
		return sendmsg(sock, msg, flags);
	return n;
}

ssize_t memory_sendmsg(int sock, const struct msghdr *msg, int flags)
{
	return is_anything_noted() ? send_message(sock, msg, flags) : sendmsg(sock, msg, flags);
}
