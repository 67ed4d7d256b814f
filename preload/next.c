/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * next.c - the C library's own functions, behind those that the preload puts in their place
 *
 * Runs in: programs in a guest
 * Reads from: no untrusted input
 */
#include "preload/next.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>

enum next_name {
	NEXT_sendfile, NEXT_read, NEXT_readv, NEXT_recv, NEXT_recvfrom, NEXT_recvmsg, NEXT_write,
	NEXT_writev, NEXT_send, NEXT_sendto, NEXT_sendmsg, NEXT_getsockopt, NEXT_setsockopt,
	NEXT_getpeername, NEXT_getsockname, NEXT_fstat, NEXT_ioctl, NEXT_prctl, NEXT_syscall,
	NEXT_mmap, NEXT_COUNT,
};

static const char *const names[NEXT_COUNT] = {
	[NEXT_sendfile] = "sendfile",
	[NEXT_read] = "read",
	[NEXT_readv] = "readv",
	[NEXT_recv] = "recv",
	[NEXT_recvfrom] = "recvfrom",
	[NEXT_recvmsg] = "recvmsg",
	[NEXT_write] = "write",
	[NEXT_writev] = "writev",
	[NEXT_send] = "send",
	[NEXT_sendto] = "sendto",
	[NEXT_sendmsg] = "sendmsg",
	[NEXT_getsockopt] = "getsockopt",
	[NEXT_setsockopt] = "setsockopt",
	[NEXT_getpeername] = "getpeername",
	[NEXT_getsockname] = "getsockname",
	[NEXT_fstat] = "fstat",
	[NEXT_ioctl] = "ioctl",
	[NEXT_prctl] = "prctl",
	[NEXT_syscall] = "syscall",
	[NEXT_mmap] = "mmap",
};

static _Atomic(void *) found[NEXT_COUNT];	/* NULL: not looked up */
static char missing;				/* its address: looked up in vain */

static void *look_up(enum next_name i)
{
	int saved = errno;
	void *fn = dlsym(RTLD_NEXT, names[i]);

	atomic_store_explicit(&found[i], fn ? fn : &missing, memory_order_relaxed);
	errno = saved;
	return fn;
}

static inline void *next(enum next_name i)
{
	void *fn = atomic_load_explicit(&found[i], memory_order_relaxed);

	if (!fn)
		return look_up(i);
	return fn == &missing ? NULL : fn;
}

static inline bool is_found(const void *at)
{
	return __builtin_expect(at && at != &missing, 1);
}

void next_find_all(void)
{
	for (unsigned int i = 0; i < NEXT_COUNT; i++)
		(void)next((enum next_name)i);
}

/* A system call without the C library. */
static long kernel(long nr, long a, long b, long c, long d, long e, long f)
{
	long rc = -ENOSYS;

#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall" : "=a"(rc)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0" : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	rc = x0;
#endif
	if (rc >= 0 || rc < -4095)
		return rc;
	errno = (int)-rc;
	return -1;
}

#define L(value) ((long)(intptr_t)(value))
#define KERNEL(nr, a, b, c, d, e, f) kernel(nr, L(a), L(b), L(c), L(d), L(e), L(f))

/*
 * The function; its parameters and arguments; what it is to the kernel. Once it is found there is
 * nothing to do but to jump there: all else is in a function of its own, so that the first one
 * keeps nothing on the stack.
 */
/* NOLINTBEGIN(bugprone-macro-parentheses): they have theirs */
#define NEXT(type, name, params, args, plain) \
	__attribute__((noinline, cold)) static type first_##name params \
	{ \
		type (*fn) params = next(NEXT_##name); \
\
		return fn ? fn args : (type)(plain); \
	} \
\
	type next_##name params \
	{ \
		void *at = atomic_load_explicit(&found[NEXT_##name], memory_order_relaxed); \
		type (*fn) params = at; \
\
		return is_found(at) ? fn args : first_##name args; \
	}

NEXT(ssize_t, sendfile, (int out, int in, off_t *offset, size_t count),
     (out, in, offset, count), KERNEL(SYS_sendfile, out, in, offset, count, 0, 0))
NEXT(ssize_t, read, (int fd, void *buf, size_t len), (fd, buf, len),
     KERNEL(SYS_read, fd, buf, len, 0, 0, 0))
NEXT(ssize_t, readv, (int fd, const struct iovec *iov, int n), (fd, iov, n),
     KERNEL(SYS_readv, fd, iov, n, 0, 0, 0))
NEXT(ssize_t, recv, (int sock, void *buf, size_t len, int flags), (sock, buf, len, flags),
     KERNEL(SYS_recvfrom, sock, buf, len, flags, 0, 0))
NEXT(ssize_t, recvfrom, (int sock, void *buf, size_t len, int flags, struct sockaddr *from,
			 socklen_t *from_len), (sock, buf, len, flags, from, from_len),
     KERNEL(SYS_recvfrom, sock, buf, len, flags, from, from_len))
NEXT(ssize_t, recvmsg, (int sock, struct msghdr *msg, int flags), (sock, msg, flags),
     KERNEL(SYS_recvmsg, sock, msg, flags, 0, 0, 0))
NEXT(ssize_t, write, (int fd, const void *buf, size_t len), (fd, buf, len),
     KERNEL(SYS_write, fd, buf, len, 0, 0, 0))
NEXT(ssize_t, writev, (int fd, const struct iovec *iov, int n), (fd, iov, n),
     KERNEL(SYS_writev, fd, iov, n, 0, 0, 0))
NEXT(ssize_t, send, (int sock, const void *buf, size_t len, int flags), (sock, buf, len, flags),
     KERNEL(SYS_sendto, sock, buf, len, flags, 0, 0))
NEXT(ssize_t, sendto, (int sock, const void *buf, size_t len, int flags,
		       const struct sockaddr *to, socklen_t to_len),
     (sock, buf, len, flags, to, to_len), KERNEL(SYS_sendto, sock, buf, len, flags, to, to_len))
NEXT(ssize_t, sendmsg, (int sock, const struct msghdr *msg, int flags), (sock, msg, flags),
     KERNEL(SYS_sendmsg, sock, msg, flags, 0, 0, 0))
NEXT(int, getsockopt, (int sock, int level, int name, void *value, socklen_t *len),
     (sock, level, name, value, len), KERNEL(SYS_getsockopt, sock, level, name, value, len, 0))
NEXT(int, setsockopt, (int sock, int level, int name, const void *value, socklen_t len),
     (sock, level, name, value, len), KERNEL(SYS_setsockopt, sock, level, name, value, len, 0))
NEXT(int, getpeername, (int sock, struct sockaddr *addr, socklen_t *len), (sock, addr, len),
     KERNEL(SYS_getpeername, sock, addr, len, 0, 0, 0))
NEXT(int, getsockname, (int sock, struct sockaddr *addr, socklen_t *len), (sock, addr, len),
     KERNEL(SYS_getsockname, sock, addr, len, 0, 0, 0))
NEXT(int, fstat, (int fd, struct stat *st), (fd, st), KERNEL(SYS_fstat, fd, st, 0, 0, 0, 0))
/* NOLINTEND(bugprone-macro-parentheses) */

/*
 * Not looked up where it is called: a program's own malloc() calls it before it is ready to serve
 * dlsym().
 */
void *next_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	void *found_fn = atomic_load_explicit(&found[NEXT_mmap], memory_order_relaxed);
	void *(*fn)(void *, size_t, int, int, int, off_t) = found_fn;

	if (!is_found(found_fn))
		return (void *)(intptr_t)KERNEL(SYS_mmap, at, len, prot, flags, fd, offset);
	return fn(at, len, prot, flags, fd, offset);
}

/* These take what they are given from a list that has no end. */
int next_ioctl(int fd, unsigned long request, void *arg)
{
	int (*fn)(int, unsigned long, ...) = next(NEXT_ioctl);

	return fn ? fn(fd, request, arg) : (int)KERNEL(SYS_ioctl, fd, request, arg, 0, 0, 0);
}

long next_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	long (*fn)(long, ...) = next(NEXT_syscall);

	return fn ? fn(nr, a, b, c, d, e, f) : kernel(nr, a, b, c, d, e, f);
}

int next_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	int (*fn)(int, ...) = next(NEXT_prctl);

	return fn ? fn(option, a, b, c, d) : (int)KERNEL(SYS_prctl, option, a, b, c, d, 0);
}

/*
 * Run as if the library were a program: the loader that got here can load it. There is no stack as
 * functions know it, and nothing to return to.
 */
_Noreturn void preload_tried(void);
_Noreturn void preload_tried(void)
{
	for (;;)
		kernel(SYS_exit_group, 0, 0, 0, 0, 0, 0);
}
