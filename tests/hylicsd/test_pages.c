/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_pages.c - a file of the share is put out and brought back; what is no file of it is refused
 *
 * Runs in: a host or guest with a memory controller and a disk for swap, as root
 * Reads from: no untrusted input
 *
 * HY_PROBE_DIR names a directory on a disk, as for the probes. Which pages the kernel takes is its
 * choice: most and few are asserted with an eighth between them and all or none.
 */
#include "tests/probes/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/own.h"
#include "hylicsd/job.h"
#include "hylicsd/pages.h"
#include "hylicsd/share.h"
#include "hylicsd/swap.h"
#include "tests/hylicsd/ground.h"
#include "tests/probes/mem_swap.h"

#define MIB ((uint64_t)1 << 20)
#define FILE_BYTES (16 * MIB)
#define LIMIT (64 * MIB)
#define SWAP_BYTES (64 * MIB)
#define MOST (FILE_BYTES - FILE_BYTES / 8)
#define TRIES 8
#define DAY_MS 86400000

static char swap_file[PATH_MAX];
static pid_t main_pid;

static void at_exit(void)
{
	if (getpid() == main_pid && swap_file[0])
		swap_unmake(swap_file, NULL);
}

static uint64_t in_memory(int fd)
{
	struct pages_count c = { 0 };
	struct hy_err e = { 0 };

	ground_try(pages_count(fd, UINT64_MAX, &c, &e), &e);
	return c.memory_bytes;
}

static int open_error(int share, const char *path)
{
	struct hy_err e = { 0 };
	hy_autofd fd = pages_open(share, path, &e);

	return fd < 0 ? fd : 0;
}

static void make_socket(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "/mnt/share/socket" };
	hy_autofd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	PROBE_TRY(bind(fd, (struct sockaddr *)&addr, sizeof(addr)));
}

static void check_open(int dir, int share)
{
	PROBE_TRY(ground_write(dir, "outside", 10, 1));
	PROBE_TRY(mkdirat(share, "d", 0755));
	PROBE_TRY(ground_write(share, "d/plain", 10, 1));
	PROBE_TRY(fchmodat(share, "d/plain", 0, 0));
	PROBE_TRY(symlinkat("plain", share, "d/link"));
	PROBE_TRY(symlinkat("d", share, "dirlink"));
	PROBE_TRY(symlinkat("/proc/self/fd/0", share, "magic"));
	PROBE_TRY(mkfifoat(share, "fifo", 0600));
	PROBE_TRY(mknodat(share, "null", S_IFCHR | 0666, 0x103));
	PROBE_TRY(mkdirat(share, "m", 0755));
	PROBE_TRY(mount("tmpfs", "/mnt/share/m", "tmpfs", 0, NULL));
	PROBE_TRY(ground_write(share, "m/file", 10, 1));
	make_socket();
	probe_check(open_error(share, "d/plain") == 0 && open_error(share, "d/../d/plain") == 0,
		    "open: a file, with whatever mode");
	probe_check(open_error(share, "d/link") == -ELOOP &&
		    open_error(share, "dirlink/plain") == -ELOOP &&
		    open_error(share, "magic") == -ELOOP, "open: no symlinks");
	probe_check(open_error(share, "../outside") == -EXDEV &&
		    open_error(share, "/mnt/outside") == -EXDEV &&
		    open_error(share, "m/file") == -EXDEV, "open: not out of the share");
	probe_check(open_error(share, "fifo") == -EINVAL && open_error(share, "null") == -EINVAL &&
		    open_error(share, "d") == -EINVAL && open_error(share, "socket") == -EINVAL,
		    "open: no FIFO, device, directory or socket; and it waits for nobody");
	probe_check(open_error(share, "none") == -ENOENT && open_error(share, "") == -ENOENT,
		    "open: what there is");
	PROBE_TRY(umount("/mnt/share/m"));
}

/* Reading what never was written must not fill the share. */
static void check_holes(int dir, int share)
{
	struct share_usage before, after;
	struct pages_count c;
	struct hy_err e = { 0 };
	hy_autofd hole = -1;

	PROBE_TRY(ground_write(share, "sparse", 65536, 1));
	PROBE_TRY(truncate("/mnt/share/sparse", (off_t)1 << 40));
	ground_try(share_find(dir, "share", &before, &e), &e);
	hole = pages_open(share, "sparse", &e);
	ground_try(hole, &e);
	ground_try(pages_in(hole, UINT64_MAX, &e), &e);
	ground_try(pages_out(hole, UINT64_MAX, &e), &e);
	ground_try(pages_count(hole, UINT64_MAX, &c, &e), &e);
	ground_try(share_find(dir, "share", &after, &e), &e);
	probe_check(before.used_bytes == after.used_bytes && c.size_bytes == (uint64_t)1 << 40 &&
		    c.memory_bytes <= 65536, "holes: a terabyte of nothing stays nothing");
}

/* Returns whether there is swap. */
static bool make_swap(void)
{
	const char *asked = getenv("HY_PROBE_DIR");
	hy_autofree char *dir = realpath(asked && asked[0] ? asked : ".", NULL);
	struct hy_err e = { 0 };

	if (!dir || strlen(dir) > sizeof(swap_file) - 64)
		probe_bail("no directory for a swap file: %s", strerror(errno));
	snprintf(swap_file, sizeof(swap_file), "%s/hylicsd-pages-%d", dir, getpid());
	main_pid = getpid();
	atexit(at_exit);
	if (swap_make(swap_file, mem_swap_bytes(dir, SWAP_BYTES), false, &e) == 0)
		return true;
	swap_file[0] = '\0';
	probe_skip("pages: out and in", "%s: %s", e.text, strerror(e.num));
	return false;
}

static int file_inside(const struct cgroups *c, int share, const char *name, unsigned int stream)
{
	struct hy_err e = { 0 };
	struct cgroup_door door;
	pid_t pid;
	int fd;

	ground_try(cgroup_door_open(c, "vm1", &door, &e), &e);
	pid = probe_fork();
	if (pid == 0)
		_exit(cgroup_enter(&door) < 0 ||
		      ground_write(share, name, FILE_BYTES, stream) < 0 ? 1 : 0);
	cgroup_door_close(&door);
	if (probe_join(pid) != 0)
		probe_bail("write %s", name);
	fd = pages_open(share, name, &e);
	ground_try(fd, &e);
	return fd;
}

static bool same_bytes(int fd, unsigned int stream)
{
	static unsigned char chunk[65536];

	for (uint64_t at = 0; at < FILE_BYTES; at += sizeof(chunk))
		if (pread(fd, chunk, sizeof(chunk), (off_t)at) != sizeof(chunk) ||
		    probe_first_wrong(chunk, sizeof(chunk), at, stream) >= 0)
			return false;
	return true;
}

static bool is_brought_in(int fd)
{
	struct hy_err e = { 0 };

	ground_try(pages_in(fd, UINT64_MAX, &e), &e);
	return in_memory(fd) >= MOST;
}

struct two {
	const struct cgroups *c;
	int cold, warm;
};

static bool are_brought_in(void *arg)
{
	const struct two *files = arg;

	return is_brought_in(files->cold) && is_brought_in(files->warm);
}

static uint64_t cold_in_memory(void *arg)
{
	const struct two *files = arg;

	return in_memory(files->cold);
}

/* A kernel with DAMON may take of both, and use the swap for others, at any time. */
static bool only_cold_goes(struct two *files)
{
	const struct pages_going going = { .bytes = FILE_BYTES, .left = cold_in_memory,
					   .object = files };
	uint64_t before = 0, after = 0, cold, warm;
	struct hy_err e = { 0 };

	if (!probe_wait_until(are_brought_in, files))
		return false;
	ground_try(swap_free(&before, &e), &e);
	ground_try(pages_out(files->cold, UINT64_MAX, &e), &e);
	ground_try(swap_free(&after, &e), &e);
	ground_try(pages_let_go(files->c, "vm1", &going, UINT64_MAX, &e), &e);
	cold = in_memory(files->cold);
	warm = in_memory(files->warm);
	probe_note("%" PRId64 " KiB go to swap, %" PRIu64 " of %" PRIu64 " are left in, of the "
		   "file beside it %" PRIu64, (int64_t)(before - after) / 1024, cold / 1024,
		   FILE_BYTES / 1024, warm / 1024);
	return before >= after + MOST && cold <= FILE_BYTES / 8 && warm >= MOST;
}

/* With a moment's time the kernel has not moved it all out yet. */
static void check_late_limit(const struct cgroups *c, int cold)
{
	const uint64_t low = LIMIT - FILE_BYTES;
	struct hy_err e = { 0 };
	struct cgroup_usage u;

	ground_try(pages_in(cold, UINT64_MAX, &e), &e);
	probe_check(job_limit(c, "vm1", MIB, 0, &e) == -ETIMEDOUT, "late: a limit is given up");
	ground_try(cgroup_usage(c, "vm1", &u, &e), &e);
	probe_check(u.limit_bytes == LIMIT, "late: the old limit holds");
	ground_try(job_limit(c, "vm1", low, DAY_MS, &e), &e);
	ground_try(cgroup_usage(c, "vm1", &u, &e), &e);
	probe_check(u.limit_bytes == low, "in time: the new limit holds");
	ground_try(cgroup_limit(c, "vm1", LIMIT, &e), &e);
}

static void check_out_and_in(const struct cgroups *c, int share)
{
	struct hy_err e = { 0 };
	hy_autofd cold = file_inside(c, share, "cold", 1);
	hy_autofd warm = file_inside(c, share, "warm", 2);
	struct two files = { .c = c, .cold = cold, .warm = warm };
	struct cgroup_usage u;
	bool only = false;

	for (unsigned int i = 0; !only && i < TRIES; i++)
		only = only_cold_goes(&files);
	probe_check(only, "out: one file, not the one beside it");
	ground_try(cgroup_usage(c, "vm1", &u, &e), &e);
	probe_check(u.limit_bytes == LIMIT, "out: the limit is what it was");
	probe_check(probe_wait_until(are_brought_in, &files), "in: most of both");
	probe_check(pages_in(cold, 1, &e) == -ETIMEDOUT && pages_out(cold, 1, &e) == -ETIMEDOUT,
		    "late: nothing takes longer than it may");
	check_late_limit(c, cold);
	probe_check(same_bytes(cold, 1) && same_bytes(warm, 2), "in: all bytes are right");
}

static bool is_removed(void *arg)
{
	return cgroup_remove(arg, "vm1", NULL) == 0;
}

int main(void)
{
	struct hy_err e = { 0 };
	struct cgroups c;
	int share, dir;

	probe_begin(150);
	dir = ground_make();
	ground_try(share_make(dir, "share", 4 * FILE_BYTES, 100, &e), &e);
	share = (int)PROBE_TRY(openat(dir, "share", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	check_open(dir, share);
	check_holes(dir, share);
	if (make_swap()) {
		ground_cgroups(&c);
		ground_try(cgroup_make(&c, "vm1", &e), &e);
		ground_try(cgroup_limit(&c, "vm1", LIMIT, &e), &e);
		check_out_and_in(&c, share);
		close(share);
		ground_try(share_unmake(dir, "share", false, &e), &e);
		probe_check(probe_wait_until(is_removed, &c) && ground_cgroups_end(&c),
			    "the cgroups are gone");
		probe_check(swap_unmake(swap_file, &e) == 0, "the swap file is gone");
	}
	return probe_end("one file goes out and comes back, and only files of the share do");
}
