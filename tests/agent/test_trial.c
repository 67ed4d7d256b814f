/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_trial.c - the trial of what bytes and moves cost: it succeeds, leaves nothing, gives up
 *
 * Runs in: network namespaces of its own
 * Reads from: no untrusted input
 */
#include "tests/probes/probe.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "common/limits.h"
#include "hylics-agent/trial.h"

#define TRIES 8

/* Sockets of this namespace, those in TIME_WAIT as well. */
static unsigned int sockets(void)
{
	FILE *f = fopen("/proc/self/net/tcp", "re");
	char line[256];
	unsigned int n = 0;

	if (!f)
		probe_bail("/proc/self/net/tcp");
	while (fgets(line, sizeof(line), f))
		n++;
	fclose(f);
	return n - 1;		/* the first line has the names */
}

static void without_loopback(void)
{
	struct hy_err e = { 0 };
	struct trial t = { .bytes = 1, .moves = 1 };
	int rc = trial_run(&t, &e);

	probe_check(rc < 0 && t.bytes == 0 && t.moves == 0, "without loopback: %s", e.text);
	probe_check(sockets() == 0, "nothing is left");
}

/* It has its time and no more: on a busy machine that may pass before the first move. */
static int run_to_a_move(struct trial *t, struct hy_err *e)
{
	int rc = trial_run(t, e);

	for (int i = 1; i < TRIES && (rc < 0 || t->moves == 0); i++)
		rc = trial_run(t, e);
	return rc;
}

/* A machine too slow for all of it does less: how much is not asked. */
static void with_loopback(void)
{
	struct hy_err e = { 0 };
	struct trial t;
	int rc = run_to_a_move(&t, &e);

	probe_check(rc == 0, "with loopback it succeeds: %s", e.text);
	probe_check(t.bytes > 0 && t.plain_ns > 0 && t.bytes < 2 * (uint64_t)HY_TRIAL_BYTES,
		    "%llu bytes in %llu ns", (unsigned long long)t.bytes,
		    (unsigned long long)t.plain_ns);
	probe_check(t.moves > 0 && t.move_ns > 0 && t.moves <= HY_TRIAL_MOVES,
		    "%llu moves in %llu ns", (unsigned long long)t.moves,
		    (unsigned long long)t.move_ns);
	probe_check(sockets() == 0, "nothing is left");
}

/* From here on nobody has a filter of his own translated. */
static void refuse_filters(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsockopt, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SO_ATTACH_FILTER, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog all = { sizeof(code) / sizeof(code[0]), code };

	PROBE_TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	PROBE_TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all));
}

/* What a filter costs that is translated for each move would be counted as a move's. */
static void as_agents_freeze(void)
{
	struct hy_err e = { 0 };
	struct trial t;
	int rc;

	refuse_filters();
	rc = run_to_a_move(&t, &e);
	probe_check(rc == 0 && t.moves > 0, "it freezes by a program that was loaded before: %s",
		    e.text);
}

int main(void)
{
	probe_begin(30);
	probe_private_net(0);
	with_loopback();
	as_agents_freeze();
	PROBE_TRY(unshare(CLONE_NEWNET));	/* its loopback is down */
	without_loopback();
	return probe_end("what bytes and moves cost can be tried without a trace");
}
