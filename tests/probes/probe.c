/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe.c - TAP lines, the time limit, byte patterns, children
 *
 * Runs in: the probes, on the host and in a guest
 * Reads from: no untrusted input
 */
#include "tests/probes/probe.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAIT_STEP_NS 1000000L
#define WAIT_LIMIT_S 30
#define SLOWER 5			/* than it was measured: emulated, with others beside it */

static struct {
	unsigned int checks;
	unsigned int failed;
	struct timespec end;
} probe;

static struct timespec clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now;
}

static void on_alarm(int sig)
{
	static const char text[] = "Bail out! the probe's time limit has passed\n";

	(void)sig;
	if (write(STDOUT_FILENO, text, sizeof(text) - 1) < 0)
		_exit(2);
	_exit(1);
}

static void note_kernel(void)
{
	struct utsname un;

	if (uname(&un) == 0)
		probe_note("kernel %s", un.release);
}

void probe_begin(unsigned int limit_s)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, on_alarm);
	probe.end = clock_now();
	probe.end.tv_sec += limit_s * SLOWER;
	alarm(limit_s * SLOWER);
}

bool probe_check(bool holds, const char *fmt, ...)
{
	va_list ap;

	probe.checks++;
	if (!holds)
		probe.failed++;
	printf("%sok %u - ", holds ? "" : "not ", probe.checks);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	return holds;
}

void probe_skip(const char *what, const char *fmt, ...)
{
	va_list ap;

	probe.checks++;
	printf("ok %u - %s # SKIP ", probe.checks, what);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void probe_skip_all(const char *fmt, ...)
{
	va_list ap;

	printf("1..0 # SKIP ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	exit(0);
}

void probe_note(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void probe_bail(const char *fmt, ...)
{
	va_list ap;

	note_kernel();
	printf("Bail out! ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	exit(1);
}

long probe_try(long rc, const char *call, const char *file, int line)
{
	if (rc < 0)
		probe_bail("%s:%d: %s: %s", file, line, call, strerror(errno));
	return rc;
}

int probe_end(const char *fmt, ...)
{
	bool proved = probe.checks && !probe.failed;
	va_list ap;

	note_kernel();
	printf("1..%u\n# %s: ", probe.checks, proved ? "proved" : "NOT proved");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	return proved ? 0 : 1;
}

pid_t probe_fork(void)
{
	pid_t parent = getpid(), pid;
	time_t left;

	/* its children would have a second each */
	if (!probe.end.tv_sec)
		probe_bail("probe_begin() comes first");
	pid = (pid_t)PROBE_TRY(fork());
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	left = probe.end.tv_sec - clock_now().tv_sec;
	alarm(left > 1 ? (unsigned int)left : 1);
	return 0;
}

int probe_join(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			probe_bail("waitpid: %s", strerror(errno));
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

bool probe_wait_until(bool (*holds)(void *arg), void *arg)
{
	const struct timespec step = { .tv_nsec = WAIT_STEP_NS };
	time_t end = clock_now().tv_sec + WAIT_LIMIT_S;

	while (!holds(arg)) {
		if (clock_now().tv_sec > end)
			return false;
		nanosleep(&step, NULL);
	}
	return true;
}

struct awaited {
	uint64_t (*count)(const void *object, unsigned int what);
	const void *object;
	unsigned int what;
	uint64_t value;
};

static bool is_reached(void *arg)
{
	const struct awaited *a = arg;

	return a->count(a->object, a->what) >= a->value;
}

bool probe_wait_count(uint64_t (*count)(const void *object, unsigned int what), const void *object,
		      unsigned int what, uint64_t value)
{
	struct awaited a = { count, object, what, value };

	return probe_wait_until(is_reached, &a);
}

static unsigned char pattern_byte(uint64_t position, unsigned int stream)
{
	uint64_t x = (position + ((uint64_t)stream << 40)) * 0x9e3779b97f4a7c15ull;

	return (unsigned char)(x >> 56);
}

void probe_fill(void *buf, size_t len, uint64_t offset, unsigned int stream)
{
	unsigned char *bytes = buf;

	for (size_t i = 0; i < len; i++)
		bytes[i] = pattern_byte(offset + i, stream);
}

ssize_t probe_first_wrong(const void *buf, size_t len, uint64_t offset, unsigned int stream)
{
	const unsigned char *bytes = buf;

	for (size_t i = 0; i < len; i++) {
		if (bytes[i] != pattern_byte(offset + i, stream))
			return (ssize_t)i;
	}
	return -1;
}
