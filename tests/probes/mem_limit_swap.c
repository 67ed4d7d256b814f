/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem_limit_swap.c - a tmpfs larger than its memory limit lives on in swap, with no error
 *
 * Runs in: the host or a guest that can have swap
 * Reads from: no untrusted input
 *
 * The two tiers of a share: the memory cgroup of who writes the files decides how much of them
 * stays in memory, the kernel moves the rest to swap, and the limit can be changed at any time.
 */
#include "tests/probes/probe.h"

#include "tests/probes/mem_cgroup.h"
#include "tests/probes/mem_swap.h"
#include "tests/probes/mem_tmpfs.h"

#include <string.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define FILE_BYTES (50 * MIB)
#define FILES 4
#define LIMIT (64 * MIB)
#define LIMIT_LOWER (32 * MIB)
#define LIMIT_HIGHER (256 * MIB)
#define SWAP_BYTES (256 * MIB)
#define CHUNK (256 * 1024)
#define TRIES 8
#define COUNTING_LAG ((ssize_t)(2 * MIB))	/* the kernel counts swap in batches per CPU */

struct reading {
	size_t bytes;
	ssize_t wrong;			/* position in all files together, -1 if none */
	size_t most;			/* the cgroup's highest usage seen on the way */
};

static const char *file_name(unsigned int i)
{
	static char name[] = "file0";

	name[sizeof(name) - 2] = (char)('0' + i);
	return name;
}

/*
 * In the cgroup, so that the pages are charged to it. Return: exit code, 1 after a failed write
 * and 137 when there was no room left
 */
static int write_files(int dir)
{
	pid_t writer = probe_fork();

	if (writer == 0) {
		mem_cgroup_join();
		for (unsigned int i = 0; i < FILES; i++)
			mem_file_filled(dir, file_name(i), FILE_BYTES, i);
		_exit(0);
	}
	return probe_join(writer);
}

static void read_file(struct reading *reading, int fd, unsigned int stream)
{
	static unsigned char chunk[CHUNK];
	size_t usage;
	ssize_t wrong;
	ssize_t got;

	for (size_t at = 0; at < FILE_BYTES; at += (size_t)got) {
		got = PROBE_TRY(pread(fd, chunk, sizeof(chunk), (off_t)at));
		if (got == 0)
			return;
		wrong = probe_first_wrong(chunk, (size_t)got, at, stream);
		if (wrong >= 0 && reading->wrong < 0)
			reading->wrong = (ssize_t)reading->bytes + wrong;
		reading->bytes += (size_t)got;
		usage = mem_cgroup_usage();
		if (usage > reading->most)
			reading->most = usage;
	}
}

static struct reading read_files(const int *fds)
{
	struct reading reading = { .wrong = -1 };

	for (unsigned int i = 0; i < FILES; i++)
		read_file(&reading, fds[i], i);
	return reading;
}

static void check_bytes(const int *fds, size_t limit)
{
	struct reading reading = read_files(fds);

	probe_check(reading.bytes == FILES * FILE_BYTES && reading.wrong < 0,
		    "limit %zu MiB: %zu MiB read, first wrong byte %zd", limit / MIB,
		    reading.bytes / MIB, reading.wrong);
	probe_check(reading.most <= limit, "limit %zu MiB: never more in memory, at most %zu KiB",
		    limit / MIB, reading.most / 1024);
}

static void check_written(int dir, int *fds)
{
	int rc = write_files(dir);

	if (!probe_check(rc == 0,
			 "%zu MiB are written to a tmpfs with a limit of %zu MiB: exit code %d",
			 FILES * FILE_BYTES / MIB, LIMIT / MIB, rc))
		probe_bail("there is nothing to read");
	for (unsigned int i = 0; i < FILES; i++)
		fds[i] = mem_file_open(dir, file_name(i));
	probe_check(mem_cgroup_usage() <= LIMIT, "%zu KiB of them are in memory",
		    mem_cgroup_usage() / 1024);
	probe_check(mem_cgroup_swap() + COUNTING_LAG >= (ssize_t)(FILES * FILE_BYTES - LIMIT),
		    "%zd KiB of them are in swap", mem_cgroup_swap() / 1024);
	check_bytes(fds, LIMIT);
}

/* Refused where nothing can be given up just then. */
static bool limit_is_set(void *arg)
{
	return mem_cgroup_set_limit(*(const size_t *)arg) == 0;
}

static void check_change(const int *fds, size_t limit)
{
	int rc = probe_wait_until(limit_is_set, &limit) ? 0 : mem_cgroup_set_limit(limit);

	probe_check(rc == 0 && mem_cgroup_usage() <= limit,
		    "the limit goes to %zu MiB while in use: %s, %zu KiB in memory", limit / MIB,
		    rc ? strerror(-rc) : "accepted", mem_cgroup_usage() / 1024);
	check_bytes(fds, limit);
}

int main(void)
{
	int fds[FILES];
	int dir;

	probe_begin(60);
	dir = mem_tmpfs(FILES * FILE_BYTES + 8 * MIB);
	mem_cgroup_make(LIMIT);
	mem_swap_on(SWAP_BYTES);
	check_written(dir, fds);
	check_change(fds, LIMIT_LOWER);
	check_change(fds, LIMIT_HIGHER);
	/* a kernel with DAMON may put out some of it meanwhile */
	for (unsigned int i = 0; i < TRIES && mem_cgroup_usage() < FILES * FILE_BYTES; i++)
		(void)read_files(fds);
	probe_check(mem_cgroup_usage() >= FILES * FILE_BYTES,
		    "with room for all, all comes back by being read: %zu KiB",
		    mem_cgroup_usage() / 1024);
	check_change(fds, LIMIT);
	for (unsigned int i = 0; i < FILES; i++)
		close(fds[i]);
	close(dir);
	probe_check(mem_swap_off(), "cgroup, swap and swap file are gone");
	return probe_end("%zu MiB live in a tmpfs with a memory limit of %zu MiB, the rest in "
			 "swap; the limit moves both ways",
			 FILES * FILE_BYTES / MIB, LIMIT / MIB);
}
