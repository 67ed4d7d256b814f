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
 * and stands in preload.map as well. A new one of these goes here, to next.c, and to both lists.
 */
#ifndef HY_PRELOAD_NEXT_H
#define HY_PRELOAD_NEXT_H

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

#pragma GCC visibility push(default)
#include "include/hylics.h"
#pragma GCC visibility pop

/*
 * Each as the function it is named after. What the C library does not have goes to the kernel, and
 * what this file has not looked up yet is looked up. ioctl(), prctl(), syscall(): all that a caller
 * may have given.
 */
ssize_t next_sendfile(int out, int in, off_t *offset, size_t count);
ssize_t next_read(int fd, void *buf, size_t len);
ssize_t next_readv(int fd, const struct iovec *iov, int n);
ssize_t next_recv(int sock, void *buf, size_t len, int flags);
ssize_t next_recvfrom(int sock, void *buf, size_t len, int flags, struct sockaddr *from,
		      socklen_t *from_len);
ssize_t next_recvmsg(int sock, struct msghdr *msg, int flags);
ssize_t next_write(int fd, const void *buf, size_t len);
ssize_t next_writev(int fd, const struct iovec *iov, int n);
ssize_t next_send(int sock, const void *buf, size_t len, int flags);
ssize_t next_sendto(int sock, const void *buf, size_t len, int flags, const struct sockaddr *to,
		    socklen_t to_len);
ssize_t next_sendmsg(int sock, const struct msghdr *msg, int flags);
int next_getsockopt(int sock, int level, int name, void *value, socklen_t *len);
int next_setsockopt(int sock, int level, int name, const void *value, socklen_t len);
int next_getpeername(int sock, struct sockaddr *addr, socklen_t *len);
int next_getsockname(int sock, struct sockaddr *addr, socklen_t *len);
int next_fstat(int fd, struct stat *st);
int next_ioctl(int fd, unsigned long request, void *arg);
int next_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
void *next_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);
long next_syscall(long nr, long a, long b, long c, long d, long e, long f);

/* Looks all of them up, so that none is looked up in a signal handler or a child of vfork(). */
void next_find_all(void);

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
