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
#define NEXT_KERNEL(nr, a, b, c, d, e, f) kernel(nr, L(a), L(b), L(c), L(d), L(e), L(f))

/* NOLINTBEGIN(bugprone-macro-parentheses): they have theirs */
#define X(type, name, params, args, plain) \
	static type plain_##name params \
	{ \
		return (type)(plain); \
	} \
\
	type (*_Atomic next_at_##name) params = plain_##name; \
\
	static void find_##name(void) \
	{ \
		void *fn = dlsym(RTLD_NEXT, #name); \
\
		if (fn) \
			atomic_store_explicit(&next_at_##name, fn, memory_order_relaxed); \
	}
NEXT_FUNCTIONS(X)
#undef X
/* NOLINTEND(bugprone-macro-parentheses) */

static int (*_Atomic at_ioctl)(int, unsigned long, ...);
static int (*_Atomic at_prctl)(int, ...);
static long (*_Atomic at_syscall)(long, ...);

/*
 * Not where they are called: that may be in a signal handler, in a child of vfork(), or in a
 * program's own malloc() before it can serve dlsym().
 */
void next_find_all(void)
{
	int saved = errno;

#define X(type, name, params, args, plain) find_##name();
	NEXT_FUNCTIONS(X)
#undef X
	at_ioctl = dlsym(RTLD_NEXT, "ioctl");
	at_prctl = dlsym(RTLD_NEXT, "prctl");
	at_syscall = dlsym(RTLD_NEXT, "syscall");
	errno = saved;
}

int next_ioctl(int fd, unsigned long request, void *arg)
{
	int (*fn)(int, unsigned long, ...) = at_ioctl;

	return fn ? fn(fd, request, arg) : (int)NEXT_KERNEL(SYS_ioctl, fd, request, arg, 0, 0, 0);
}

long next_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	long (*fn)(long, ...) = at_syscall;

	return fn ? fn(nr, a, b, c, d, e, f) : kernel(nr, a, b, c, d, e, f);
}

int next_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	int (*fn)(int, ...) = at_prctl;

	return fn ? fn(option, a, b, c, d) : (int)NEXT_KERNEL(SYS_prctl, option, a, b, c, d, 0);
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
