/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_lib_tally.c - calls that stay plain are counted where the agent looks, at no system call
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include "tests/unit/lib_world.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "include/hylics.h"
#include "libhylics/lib.h"
#include "libhylics/tally.h"
#include "tests/unit/lib_trace.h"

#define BIG ((size_t)256 << 10)
#define THREADS 4
#define CALLS 500
#define COUNTS 3000000

static struct world world;

static uint64_t counted(enum move_reason reason)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < HY_TALLY_STRIPES; i++)
		sum += world.tally->calls[i][reason];
	return sum;
}

static ssize_t send_some(int sock, int file, off_t from, size_t len)
{
	return hylics_sendfile(sock, file, &from, len);
}

static void a_call_before_any_agent_is_not_counted(void)
{
	int client, sock = world_pair(&client);

	probe_check(send_some(sock, world.file, 0, 1000) == 1000 &&
		    !atomic_load(&lib_area()->tally), "no agent: there is nothing to count in");
	atomic_store(&lib_area()->look_ms, 0);	/* the next one looks for an agent at once */
	close(sock);
	close(client);
}

static void a_plain_call_is_counted_with_an_example(void)
{
	const struct hy_tally_last *last = &world.tally->last[MOVE_BELOW_THRESHOLD];
	int client, sock = world_pair(&client);
	uint64_t before_ms = hy_clock_wall_ms();
	struct stat st;

	PROBE_TRY(fstat(world.file, &st));
	probe_check(send_some(sock, world.file, 4096, 1000) == 1000 &&
		    counted(MOVE_BELOW_THRESHOLD) == 1, "a short call: counted once");
	probe_check(last->turn == 2 && last->number == (uint32_t)sock &&
		    last->dev == st.st_dev && last->ino == st.st_ino && last->offset == 4096 &&
		    last->bytes == 1000 && last->when_ms >= before_ms &&
		    last->when_ms <= hy_clock_wall_ms(), "and it is the last example");
	(void)send_some(sock, world.file, 8192, 2000);
	probe_check(counted(MOVE_BELOW_THRESHOLD) == 2 && last->offset == 8192 &&
		    last->bytes == 2000, "the next one takes its place");
	close(sock);
	close(client);
}

static void another_file_system_has_its_reason(void)
{
	const struct hy_tally_last *last = &world.tally->last[MOVE_NOT_ON_SHARE];
	int client, sock = world_pair(&client);
	int file = (int)PROBE_TRY(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
	struct stat st;

	PROBE_TRY(fstat(file, &st));
	probe_check(send_some(sock, file, 0, 5000) == 5000 && counted(MOVE_NOT_ON_SHARE) == 1 &&
		    last->ino == st.st_ino && last->dev == st.st_dev && last->bytes == 5000,
		    "a file that is not on the share: counted, with device and inode");
	close(file);
	close(sock);
	close(client);
}

static void a_moved_call_is_not_counted(void)
{
	int client, sock = world_pair(&client);
	struct world_reader reader;
	uint64_t plain = 0, now = 0;

	for (unsigned int i = 0; i < MOVE_REASONS; i++)
		plain += counted(i);
	world_read(&reader, client, 0);
	probe_check(send_some(sock, world.file, 0, BIG) == (ssize_t)BIG, "a long call");
	close(sock);
	probe_check(world_read_end(&reader) == BIG && world.agent->marked_bytes >= BIG,
		    "goes as slices");
	for (unsigned int i = 0; i < MOVE_REASONS; i++)
		now += counted(i);
	probe_check(now == plain, "and counts nothing");
}

/* Each thread its own connection: some share a stripe, and none loses a count. */
static void *call_often(void *arg)
{
	uint8_t bytes[65536];
	int client, sock = world_pair(&client);

	(void)arg;
	for (unsigned int i = 0; i < CALLS; i++) {
		if (send_some(sock, world.file, 0, 100) != 100 ||
		    recv(client, bytes, sizeof(bytes), 0) <= 0)
			probe_bail("a plain call: %d", errno);
	}
	close(sock);
	close(client);
	return NULL;
}

/* All in the same stripe, and nothing else to do. */
static void *count_often(void *arg)
{
	const struct slice s = { .file = -1 };

	pthread_barrier_wait(arg);
	for (unsigned int i = 0; i < COUNTS; i++)
		tally_plain(0, MOVE_BELOW_THRESHOLD, &s);
	return NULL;
}

static void threads_lose_no_count(void)
{
	uint64_t before = counted(MOVE_BELOW_THRESHOLD);
	pthread_t thread[THREADS];
	pthread_barrier_t start;

	for (unsigned int i = 0; i < THREADS; i++)
		PROBE_TRY(-pthread_create(&thread[i], NULL, call_often, NULL));
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	probe_check(counted(MOVE_BELOW_THRESHOLD) == before + (uint64_t)THREADS * CALLS,
		    "%d threads: every call is counted", THREADS);
	pthread_barrier_init(&start, NULL, THREADS);
	for (unsigned int i = 0; i < THREADS; i++)
		PROBE_TRY(-pthread_create(&thread[i], NULL, count_often, &start));
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	probe_check(counted(MOVE_BELOW_THRESHOLD) ==
		    before + (uint64_t)THREADS * (CALLS + COUNTS), "with one stripe, too");
}

static void a_forked_child_counts_only_when_it_has_joined(void)
{
	uint64_t before = counted(MOVE_BELOW_THRESHOLD);
	int status, client, sock = world_pair(&client);
	pid_t pid = probe_fork();

	if (pid == 0) {
		setenv("HYLICS", "off", 1);
		_exit(send_some(sock, world.file, 0, 100) == 100 ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	probe_check(status == 0 && counted(MOVE_BELOW_THRESHOLD) == before &&
		    counted(MOVE_OFF_BY_OPERATOR) == 0, "a child that never joins: nothing");
	close(sock);
	close(client);
}

/* Its own calls and no other: without a tally they are as many. */
struct plain {
	int sock, client;
};

static int one_plain_call(void *arg, int turn)
{
	const struct plain *p = arg;

	(void)turn;
	return send_some(p->sock, world.file, 0, 100) == 100 ? 0 : -1;
}

static void a_count_costs_no_system_call(void)
{
	struct plain p = { 0 };
	uint64_t before = counted(MOVE_BELOW_THRESHOLD);
	int with, without;

	p.sock = world_pair(&p.client);
	with = trace_calls(one_plain_call, &p, TRACE_ALL);
	probe_check(with > 0 && counted(MOVE_BELOW_THRESHOLD) > before, "counted: %d calls", with);
	world_stop(&world);
	world.no_tally = true;
	world_start(&world);
	before = counted(MOVE_BELOW_THRESHOLD);
	without = trace_calls(one_plain_call, &p, TRACE_ALL);
	probe_check(without == with, "without a tally: %d, as many", without);
	probe_check(counted(MOVE_BELOW_THRESHOLD) == before, "an agent that has none is joined");
	close(p.sock);
	close(p.client);
}

int main(void)
{
	probe_begin(100);
	world_open(&world);
	a_call_before_any_agent_is_not_counted();
	world_start(&world);
	a_plain_call_is_counted_with_an_example();
	another_file_system_has_its_reason();
	a_moved_call_is_not_counted();
	threads_lose_no_count();
	a_forked_child_counts_only_when_it_has_joined();
	a_count_costs_no_system_call();
	world_close(&world);
	return probe_end("plain calls are counted where the agent looks");
}
