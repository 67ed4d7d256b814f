/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_calls.c - how many system calls each step of a move takes: what is known is not asked again
 *
 * Runs in: network namespaces of its own; root
 * Reads from: no untrusted input
 */
#include "tests/move/world.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/probes/tcp_sock.h"

#define LIMIT_S 30
#define TALK 3000
#define IN_FLIGHT 1000

/* A step begins with a call that none of them makes. */
#define BEGIN_STEP() ((void)syscall(SYS_getppid))

enum step { BEFORE, FREEZE, DUMP, RESTORE, WAKE, BETWEEN, REBUILD, LIVE, AFTER, STEPS };

struct seen {
	unsigned int calls[STEPS];
	unsigned int filters;		/* handed to the kernel to be translated */
};

static void note_call(struct seen *seen, enum step *step, const struct __ptrace_syscall_info *info)
{
	if (info->op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	if (info->entry.nr == SYS_getppid) {
		*step += *step < AFTER;
		return;
	}
	seen->calls[*step]++;
	seen->filters += info->entry.nr == SYS_setsockopt && info->entry.args[1] == SOL_SOCKET &&
			 info->entry.args[2] == SO_ATTACH_FILTER;
}

/* Until it ends. */
static void watch(pid_t child, struct seen *seen)
{
	struct __ptrace_syscall_info info;
	enum step step = BEFORE;
	int status = 0;

	PROBE_TRY(waitpid(child, &status, 0));
	PROBE_TRY(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
	while (!WIFEXITED(status) && !WIFSIGNALED(status)) {
		PROBE_TRY(ptrace(PTRACE_SYSCALL, child, 0, 0));
		PROBE_TRY(waitpid(child, &status, 0));
		if (!WIFSTOPPED(status) || WSTOPSIG(status) != (SIGTRAP | 0x80))
			continue;
		PROBE_TRY(ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), &info));
		note_call(seen, &step, &info);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		probe_bail("whoever was counted ended with status %x", status);
}

static void there(struct conn *c)
{
	struct hy_err e = { 0 };

	BEGIN_STEP();
	TRY_MOVE(tcp_freeze(c->kept, &move_err));
	BEGIN_STEP();
	world_try(tcp_dump(c->kept, &c->img, &e), &e, "tcp_dump");
}

static void copied(struct conn *c)
{
	c->copy = (int)PROBE_TRY(socket(c->img.rec.family, SOCK_STREAM | SOCK_CLOEXEC, 0));
	BEGIN_STEP();
	TRY_MOVE(tcp_restore(c->copy, &c->img, &move_err));
	BEGIN_STEP();
	TRY_MOVE(tcp_wake(c->copy, &c->img, &move_err));
	BEGIN_STEP();
}

static void back(struct world *w, struct conn *c)
{
	struct hy_err e = { 0 };

	TRY_MOVE(tcp_silence(c->kept, &move_err));
	TRY_MOVE(tcp_freeze(c->copy, &move_err));
	world_try(tcp_dump(c->copy, &c->img, &e), &e, "tcp_dump");
	BEGIN_STEP();
	TRY_MOVE(tcp_rebuild(c->kept, &c->img, &move_err));
	tcp_vanish(&c->copy);
	BEGIN_STEP();
	TRY_MOVE(tcp_live(c->kept, &c->img, &move_err));
	BEGIN_STEP();
	world_leave(w);
}

/* What is asked once in a process has been asked by then. */
static void move_first(struct world *w, struct conn *c)
{
	conns_out(w, c, 1);
	conns_home(w, c, 1);
}

_Noreturn static void move_counted(struct world *w, struct conn *first, struct conn *c)
{
	uint8_t bytes[4 * IN_FLIGHT];

	tcp_freeze_use(tcp_freeze_load());
	move_first(w, first);
	world_enter(w, TWIN);
	c->img.bytes = bytes;
	c->img.room = sizeof(bytes);
	PROBE_TRY(ptrace(PTRACE_TRACEME, 0, 0, 0));
	PROBE_TRY(kill(getpid(), SIGSTOP));
	there(c);
	copied(c);
	back(w, c);
	_exit(0);
}

static void count(struct world *w, size_t in_flight, struct seen *seen)
{
	const struct wish wish = { .kind = KIND_MAPPED };
	struct conn c[2];
	pid_t child;

	memset(seen, 0, sizeof(*seen));
	for (unsigned int i = 0; i < 2; i++) {
		conn_open(w, &c[i], &wish);
		if (!conn_talks(&c[i], TALK) || !conn_is_quiet(&c[i]))
			probe_bail("a connection that does not talk");
	}
	if (in_flight) {
		tcp_sock_freeze(c[1].kept);
		conn_send_down(&c[1], in_flight);
	}
	child = probe_fork();
	if (!child)
		move_counted(w, &c[0], &c[1]);
	watch(child, seen);
	conn_close(&c[0]);
	conn_close(&c[1]);
	world_route(w, GUEST);
}

static void prove(struct world *w, const char *what, size_t in_flight, const unsigned int *most)
{
	static const char *const names[STEPS] = { "", "freeze", "dump", "restore", "wake",
						  "", "rebuild", "live" };
	struct seen seen;

	count(w, in_flight, &seen);
	for (unsigned int i = FREEZE; i < AFTER; i++) {
		if (i == BETWEEN)
			continue;
		probe_check(seen.calls[i] > 0 && seen.calls[i] <= most[i],
			    "%s: %s takes %u calls, at most %u", what, names[i], seen.calls[i],
			    most[i]);
	}
	probe_check(seen.filters == 0, "%s: no filter is translated (%u)", what, seen.filters);
}

int main(void)
{
	static const unsigned int quiet[STEPS] = { [FREEZE] = 1, [DUMP] = 41, [RESTORE] = 17,
						   [WAKE] = 2, [REBUILD] = 24, [LIVE] = 14 };
	static const unsigned int under_way[STEPS] = { [FREEZE] = 1, [DUMP] = 42, [RESTORE] = 22,
						       [WAKE] = 6, [REBUILD] = 29, [LIVE] = 15 };
	struct world w = world_begin(LIMIT_S);

	prove(&w, "nothing under way", 0, quiet);
	prove(&w, "bytes under way", IN_FLIGHT, under_way);
	return probe_end("what is known of a socket is not asked again");
}
