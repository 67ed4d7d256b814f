/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gate.c - whether this process may move anything at all
 *
 * Runs in: programs in a guest
 * Reads from: /proc/self/status
 *
 * A system call that a seccomp filter does not know fails, or kills; which calls a filter knows
 * cannot be asked. So a process with one moves nothing. A filter that is there at the start stands
 * in /proc/self/status, read while no filter of the program's own can be there. One that comes
 * later comes through prctl() or syscall(), which libseccomp calls too. What a program puts into
 * the kernel's hands without the C library is not seen.
 *
 * A filter may come for all threads at once (SECCOMP_FILTER_FLAG_TSYNC). So the gate is shut
 * before it is there, and a swap under way is waited for.
 */
#include "preload/gate.h"

#include "preload/next.h"

#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>

#include "libhylics/agent.h"
#include "libhylics/lib.h"
#include "libhylics/lines.h"

static _Atomic bool is_decided;

struct told {
	bool any, filtered;
};

/* "Seccomp:	2"; a kernel without seccomp has no such line. */
static int take_line(void *object, char *line)
{
	struct told *t = object;

	t->any = true;
	if (strncmp(line, "Seccomp:", 8) != 0)
		return 0;
	t->filtered = strtoul(line + 8, NULL, 10) != SECCOMP_MODE_DISABLED;
	return 1;
}

static void decide(void)
{
	const char *text = secure_getenv("HYLICS");
	struct told t = { 0 };

	if (text && strcmp(text, "off") == 0) {
		lib_shut(MOVE_OFF_BY_OPERATOR);
		return;
	}
	(void)lines_each("/proc/self/status", take_line, &t);
	if (!t.any || t.filtered)
		lib_shut(MOVE_SANDBOXED);
}

/* musl has none, and glibc before 2.32: then a process may have threads. */
#pragma weak __libc_single_threaded

static const char unknown;
const char *gate_single = &unknown;

bool gate_open(void)
{
	if (!atomic_load(&is_decided)) {
		decide();
		atomic_store(&is_decided, true);
	}
	return lib_is_shut() == MOVE_DONE;
}

__attribute__((constructor)) static void start(void)
{
	if (&__libc_single_threaded)
		gate_single = &__libc_single_threaded;
	next_find_all();
	agent_remember_place();
	/* now, as its children are to have it too: those that servers fork for each connection */
	if (gate_open())
		(void)lib_area();
}

/* Shuts the gate; what it was, for undo(). */
static enum move_reason shut(void)
{
	enum move_reason was = lib_is_shut();

	if (was == MOVE_DONE) {
		lib_shut(MOVE_SANDBOXED);
		lib_wait_swap();
	}
	return was;
}

static bool brings_filter(long op)
{
	return op == SECCOMP_SET_MODE_STRICT || op == SECCOMP_SET_MODE_FILTER;
}

/**
 * prctl() - As prctl(2); sees a filter come
 * @option:	From the program, all of them
 *
 * Return: as prctl(2)
 */
PRELOAD_SHOWN int (prctl)(int option, ...)
{
	enum move_reason was = MOVE_DONE;
	unsigned long a[4];
	va_list list;
	int rc;

	va_start(list, option);
	for (unsigned int i = 0; i < 4; i++)
		a[i] = va_arg(list, unsigned long);
	va_end(list);
	if (option == PR_SET_SECCOMP)
		was = shut();
	rc = next_prctl(option, a[0], a[1], a[2], a[3]);
	if (option == PR_SET_SECCOMP && rc < 0)
		lib_shut(was);
	return rc;
}

/**
 * syscall() - As syscall(2); sees a filter come
 * @nr:	From the program, all of them
 *
 * Return: as syscall(2)
 */
PRELOAD_SHOWN long (syscall)(long nr, ...)
{
	enum move_reason was = MOVE_DONE;
	bool filter;
	long a[6], rc;
	va_list list;

	va_start(list, nr);
	for (unsigned int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	filter = (nr == SYS_seccomp && brings_filter(a[0])) ||
		 (nr == SYS_prctl && a[0] == PR_SET_SECCOMP);
	if (filter)
		was = shut();
	rc = next_syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	/* a thread that could not be brought along is told by its number: no filter then, either */
	if (filter && (rc < 0 || (rc > 0 && !(a[1] & SECCOMP_FILTER_FLAG_NEW_LISTENER))))
		lib_shut(was);
	return rc;
}
