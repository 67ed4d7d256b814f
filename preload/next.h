/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * next.h - the C library's own functions, behind those that the preload puts in their place
 *
 * Runs in: programs in a guest
 * Reads from: no untrusted input
 *
 * This header stands in front of every file of the preload, libhylics' among them (-include): what
 * they call is the C library's, or that of the next library preloaded, and never comes back here.
 * A function of ours is defined with its name in parentheses, which no macro sees:
 *
 *	PRELOAD_SHOWN ssize_t (sendfile)(int out, int in, off_t *offset, size_t count)
 *
 * and stands in preload.map as well.
 */
#ifndef HY_PRELOAD_NEXT_H
#define HY_PRELOAD_NEXT_H

#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define PRELOAD_SHOWN __attribute__((visibility("default")))
/* What is done for moved connections alone stands apart: all others pay only for the way by it. */
#define PRELOAD_APART __attribute__((noinline, cold))

#pragma GCC visibility push(default)
#include "include/hylics.h"
#pragma GCC visibility pop

/**
 * next_ioctl() - As ioctl(2)
 * @fd:		From the program, all of them
 * @request:	Likewise
 * @arg:	Likewise: the list has no end, and this is all that a caller may have given
 *
 * Return: as ioctl(2)
 */
int next_ioctl(int fd, unsigned long request, void *arg);
/* Likewise. */
int next_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
/* Likewise. */
long next_syscall(long nr, long a, long b, long c, long d, long e, long f);

/* Looks all of them up: once, at the start. */
void next_find_all(void);

/*
 * Each as the function it is named after: what it returns, its parameters and arguments, and what
 * it is to the kernel. That serves where the C library has none, and until the start.
 */
#define NEXT_FUNCTIONS(X) \
	X(ssize_t, sendfile, (int out, int in, off_t *offset, size_t count), \
	  (out, in, offset, count), NEXT_KERNEL(SYS_sendfile, out, in, offset, count, 0, 0)) \
	X(ssize_t, read, (int fd, void *buf, size_t len), (fd, buf, len), \
	  NEXT_KERNEL(SYS_read, fd, buf, len, 0, 0, 0)) \
	X(ssize_t, readv, (int fd, const struct iovec *iov, int n), (fd, iov, n), \
	  NEXT_KERNEL(SYS_readv, fd, iov, n, 0, 0, 0)) \
	X(ssize_t, recv, (int sock, void *buf, size_t len, int flags), (sock, buf, len, flags), \
	  NEXT_KERNEL(SYS_recvfrom, sock, buf, len, flags, 0, 0)) \
	X(ssize_t, recvfrom, (int sock, void *buf, size_t len, int flags, \
			      struct sockaddr *from, socklen_t *from_len), \
	  (sock, buf, len, flags, from, from_len), \
	  NEXT_KERNEL(SYS_recvfrom, sock, buf, len, flags, from, from_len)) \
	X(ssize_t, recvmsg, (int sock, struct msghdr *msg, int flags), (sock, msg, flags), \
	  NEXT_KERNEL(SYS_recvmsg, sock, msg, flags, 0, 0, 0)) \
	X(ssize_t, write, (int fd, const void *buf, size_t len), (fd, buf, len), \
	  NEXT_KERNEL(SYS_write, fd, buf, len, 0, 0, 0)) \
	X(ssize_t, writev, (int fd, const struct iovec *iov, int n), (fd, iov, n), \
	  NEXT_KERNEL(SYS_writev, fd, iov, n, 0, 0, 0)) \
	X(ssize_t, send, (int sock, const void *buf, size_t len, int flags), \
	  (sock, buf, len, flags), NEXT_KERNEL(SYS_sendto, sock, buf, len, flags, 0, 0)) \
	X(ssize_t, sendto, (int sock, const void *buf, size_t len, int flags, \
			    const struct sockaddr *to, socklen_t to_len), \
	  (sock, buf, len, flags, to, to_len), \
	  NEXT_KERNEL(SYS_sendto, sock, buf, len, flags, to, to_len)) \
	X(ssize_t, sendmsg, (int sock, const struct msghdr *msg, int flags), (sock, msg, flags), \
	  NEXT_KERNEL(SYS_sendmsg, sock, msg, flags, 0, 0, 0)) \
	X(int, getsockopt, (int sock, int level, int name, void *value, socklen_t *len), \
	  (sock, level, name, value, len), \
	  NEXT_KERNEL(SYS_getsockopt, sock, level, name, value, len, 0)) \
	X(int, setsockopt, (int sock, int level, int name, const void *value, socklen_t len), \
	  (sock, level, name, value, len), \
	  NEXT_KERNEL(SYS_setsockopt, sock, level, name, value, len, 0)) \
	X(int, getpeername, (int sock, struct sockaddr *addr, socklen_t *len), \
	  (sock, addr, len), NEXT_KERNEL(SYS_getpeername, sock, addr, len, 0, 0, 0)) \
	X(int, getsockname, (int sock, struct sockaddr *addr, socklen_t *len), \
	  (sock, addr, len), NEXT_KERNEL(SYS_getsockname, sock, addr, len, 0, 0, 0)) \
	X(int, fstat, (int fd, struct stat *st), (fd, st), \
	  NEXT_KERNEL(SYS_fstat, fd, st, 0, 0, 0, 0)) \
	X(void *, mmap, (void *at, size_t len, int prot, int flags, int fd, off_t offset), \
	  (at, len, prot, flags, fd, offset), \
	  NEXT_KERNEL(SYS_mmap, at, len, prot, flags, fd, offset))

/* A call is a load and a jump: every call of the program that is not ours comes by here. */
/* NOLINTBEGIN(bugprone-macro-parentheses): they have theirs */
#define X(type, name, params, args, plain) \
	extern type (*_Atomic next_at_##name) params; \
	static inline type next_##name params \
	{ \
		return atomic_load_explicit(&next_at_##name, memory_order_relaxed) args; \
	}
NEXT_FUNCTIONS(X)
#undef X
/* NOLINTEND(bugprone-macro-parentheses) */

#define sendfile(out, in, offset, count) next_sendfile(out, in, offset, count)
#define sendfile64(out, in, offset, count) next_sendfile(out, in, offset, count)
#define read(fd, buf, len) next_read(fd, buf, len)
#define readv(fd, iov, n) next_readv(fd, iov, n)
#define recv(sock, buf, len, flags) next_recv(sock, buf, len, flags)
#define recvfrom(sock, buf, len, flags, from, from_len) \
	next_recvfrom(sock, buf, len, flags, from, from_len)
#define recvmsg(sock, msg, flags) next_recvmsg(sock, msg, flags)
#define write(fd, buf, len) next_write(fd, buf, len)
#define writev(fd, iov, n) next_writev(fd, iov, n)
#define send(sock, buf, len, flags) next_send(sock, buf, len, flags)
#define sendto(sock, buf, len, flags, to, to_len) next_sendto(sock, buf, len, flags, to, to_len)
#define sendmsg(sock, msg, flags) next_sendmsg(sock, msg, flags)
#define getsockopt(sock, level, name, value, len) next_getsockopt(sock, level, name, value, len)
#define setsockopt(sock, level, name, value, len) next_setsockopt(sock, level, name, value, len)
#define getpeername(sock, addr, len) next_getpeername(sock, addr, len)
#define getsockname(sock, addr, len) next_getsockname(sock, addr, len)
#define fstat(fd, st) next_fstat(fd, st)
#define mmap(at, len, prot, flags, fd, offset) next_mmap(at, len, prot, flags, fd, offset)
#define ioctl(fd, request, arg) next_ioctl(fd, request, arg)

#endif
