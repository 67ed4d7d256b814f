/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_usage.c - what a process and its children take: CPU time that was spent, memory touched
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "hylics-keeper/usage.h"

#define MB (1u << 20)
#define SPENT_US 100000u

/* Until this process has used so much: it is counted in ticks of 10 ms at most. */
static void spend(void)
{
	struct timespec t;

	do {
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	} while ((uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000 < SPENT_US);
}

/* Has a child that has spent time and memory, says so, and waits for its end. */
static void be_parent(int tell)
{
	void *memory;

	prctl(PR_SET_NAME, "a) (b", 0, 0, 0);
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		spend();
		memory = mmap(NULL, 32 * MB, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (memory == MAP_FAILED || write(tell, "x", 1) != 1)
			_exit(1);
		memset(memory, 1, 32 * MB);
	}
	for (;;)
		pause();
}

static void a_child_of_it_counts(void **state)
{
	struct usage u;
	int ends[2];
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0)
		be_parent(ends[1]);
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(usage_read(pid, &u), 2);
	assert_true(u.cpu_us >= SPENT_US / 2);
	assert_true(u.memory >= 32 * MB);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ends[0]);
	assert_int_equal(usage_read(pid, &u), 0);
	assert_int_equal(u.cpu_us, 0);
}

static void many_children_are_cut_off(void **state)
{
	struct usage u;
	pid_t pids[USAGE_PROCESSES_MAX + 5];
	unsigned int n = sizeof(pids) / sizeof(pids[0]);

	(void)state;
	for (unsigned int i = 0; i < n; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
	}
	assert_int_equal(usage_read(getpid(), &u), USAGE_PROCESSES_MAX);
	for (unsigned int i = 0; i < n; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	assert_int_equal(usage_read(getpid(), &u), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_of_it_counts),
		cmocka_unit_test(many_children_are_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
