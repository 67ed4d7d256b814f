/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_share.c - a share is mounted, found, resized and unmounted; what is planted is refused
 *
 * Runs in: a mount namespace of its own, as root
 * Reads from: no untrusted input
 */
#include "tests/probes/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "common/own.h"
#include "hylicsd/share.h"
#include "tests/hylicsd/ground.h"

#define MIB ((uint64_t)1 << 20)
#define SIZE (16 * MIB)
#define INODES 1000

static unsigned int count_mounts(void)
{
	hy_autofile *f = fopen("/proc/self/mountinfo", "re");
	unsigned int n = 0;
	int c;

	while (f && (c = fgetc(f)) != EOF)
		n += c == '\n';
	return n;
}

static unsigned int count_fds(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int share_fd(int dir)
{
	return (int)PROBE_TRY(openat(dir, "share", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static void check_make(int dir)
{
	struct hy_err e = { 0 };
	struct share_usage u;
	struct statvfs fs;
	struct stat st;
	int fd;

	probe_check(share_find(dir, "share", &u, &e) == -ENOENT && e.num == 0,
		    "find: nothing is there, which is no error");
	PROBE_TRY(mkdirat(dir, "share", 0700));
	probe_check(share_find(dir, "share", &u, &e) == -ENOENT, "find: a directory is no share");
	ground_try(share_make(dir, "share", SIZE, INODES, &e), &e);
	ground_try(share_find(dir, "share", &u, &e), &e);
	probe_check(u.size_bytes == SIZE && u.inodes == INODES && u.used_bytes == 0 &&
		    u.used_inodes == 1, "make: it has its size and inodes");
	fd = share_fd(dir);
	PROBE_TRY(fstatvfs(fd, &fs));
	PROBE_TRY(fstat(fd, &st));
	probe_check(fs.f_flag & ST_NOSUID && fs.f_flag & ST_NODEV && !(fs.f_flag & ST_NOEXEC),
		    "make: nosuid and nodev");
	probe_check((st.st_mode & 07777) == 0755 && st.st_uid == 0, "make: its root is 0755");
	close(fd);
	probe_check(share_make(dir, "share", SIZE, INODES, &e) == -EEXIST, "make: not twice");
}

/* A file that was read last night and once more now: relatime would say nothing of that. */
static void check_times(int dir)
{
	hy_autofd fd = share_fd(dir), file = -1;
	struct timespec times[2];
	struct stat st;
	char c;

	PROBE_TRY(ground_write(fd, "read", 1, 1));
	file = (int)PROBE_TRY(openat(fd, "read", O_RDONLY | O_CLOEXEC));
	PROBE_TRY(clock_gettime(CLOCK_REALTIME, &times[0]));
	times[1] = times[0];
	times[0].tv_sec += 3600;
	PROBE_TRY(futimens(file, times));
	PROBE_TRY(read(file, &c, 1));
	PROBE_TRY(fstat(file, &st));
	probe_check(st.st_atim.tv_sec < times[0].tv_sec, "make: each read is seen");
	PROBE_TRY(unlinkat(fd, "read", 0));
}

static void check_usage(int dir)
{
	struct hy_err e = { 0 };
	struct share_usage u;
	hy_autofd fd = share_fd(dir);

	PROBE_TRY(ground_write(fd, "a", 3 * MIB, 1));
	PROBE_TRY(mkdirat(fd, "d", 0755));
	ground_try(share_find(dir, "share", &u, &e), &e);
	probe_check(u.used_bytes == 3 * MIB && u.used_inodes == 3,
		    "usage: %" PRIu64 " bytes, %" PRIu64 " inodes", u.used_bytes, u.used_inodes);
	probe_check(ground_write(fd, "full", 2 * SIZE, 2) == -ENOSPC, "usage: full is ENOSPC");
	PROBE_TRY(unlinkat(fd, "full", 0));
}

static void check_resize(int dir)
{
	struct hy_err e = { 0 };
	struct share_usage u;
	hy_autofd fd = share_fd(dir);

	ground_try(share_resize(dir, "share", 2 * SIZE, 2 * INODES, &e), &e);
	ground_try(share_find(dir, "share", &u, &e), &e);
	probe_check(u.size_bytes == 2 * SIZE && u.inodes == 2 * INODES && u.used_bytes == 3 * MIB,
		    "resize: larger, with a file open in it");
	probe_check(share_resize(dir, "share", MIB, INODES, &e) == -ENOSPC &&
		    strstr(e.text, "3145728 bytes are in it"), "resize: %s", e.text);
	probe_check(share_resize(dir, "share", SIZE, 2, &e) == -ENOSPC &&
		    strstr(e.text, "inodes are in use"), "resize: %s", e.text);
	ground_try(share_find(dir, "share", &u, &e), &e);
	probe_check(u.size_bytes == 2 * SIZE && u.inodes == 2 * INODES,
		    "resize: what is refused changes nothing");
	ground_try(share_resize(dir, "share", 3 * MIB, 3, &e), &e);
	probe_check(ground_write(fd, "more", 1, 1) == -ENOSPC, "resize: down to what is in it");
	probe_check(share_resize(dir, "share", 0, INODES, &e) == -EINVAL &&
		    share_resize(dir, "share", SIZE, 0, &e) == -EINVAL &&
		    share_resize(dir, "share", UINT64_MAX, INODES, &e) == -EINVAL &&
		    share_make(dir, "other", 0, INODES, &e) == -EINVAL,
		    "resize: 0 and 2^64-1 are refused, to the kernel they mean without limit");
}

static void check_in_use(int dir)
{
	struct hy_err e = { 0 };
	unsigned int before = count_mounts();
	hy_autofd fd = share_fd(dir);
	int used = 0, unused = 0;

	for (int i = 0; i < 5; i++)
		used += share_in_use(dir, "share", &e) == 1;
	probe_check(used == 5, "in use: with its root open");
	probe_check(share_unmake(dir, "share", false, &e) == -EBUSY, "in use: %s", e.text);
	hy_fd_close(&fd);
	for (int i = 0; i < 5; i++)
		unused += share_in_use(dir, "share", &e) == 0;
	probe_check(unused == 5 && count_mounts() == before,
		    "in use: no more when it is closed, and asking unmounts nothing");
	probe_check(share_in_use(dir, "other", &e) == -ENOENT, "in use: there has to be one");
}

static void check_unmake(int dir, unsigned int mounts)
{
	struct hy_err e = { 0 };
	struct stat st;
	hy_autofd fd = -1;

	ground_try(share_unmake(dir, "share", false, &e), &e);
	probe_check(count_mounts() == mounts && fstatat(dir, "share", &st, 0) < 0,
		    "unmake: mount and directory are gone");
	probe_check(share_unmake(dir, "share", false, &e) == 0, "unmake: again is harmless");
	ground_try(share_make(dir, "share", SIZE, INODES, &e), &e);
	fd = share_fd(dir);
	ground_try(share_unmake(dir, "share", true, &e), &e);
	probe_check(count_mounts() == mounts && ground_write(fd, "x", 1, 1) == 0,
		    "unmake: by force, its user keeps what he has");
}

/* What stands where the share belongs, and is none. */
static void check_planted(int dir)
{
	struct hy_err e = { 0 };
	unsigned int mounts = count_mounts();
	bool kept = true;

	PROBE_TRY(symlinkat("/mnt/elsewhere", dir, "share"));
	PROBE_TRY(mkdirat(dir, "elsewhere", 0755));
	probe_check(share_make(dir, "share", SIZE, INODES, &e) == -EEXIST &&
		    share_find(dir, "share", NULL, &e) == -EEXIST &&
		    share_unmake(dir, "share", true, &e) == -EEXIST && count_mounts() == mounts,
		    "planted: a symlink is not followed: %s", e.text);
	PROBE_TRY(unlinkat(dir, "share", 0));
	PROBE_TRY(mknodat(dir, "share", S_IFREG | 0600, 0));
	probe_check(share_make(dir, "share", SIZE, INODES, &e) == -EEXIST, "planted: a file");
	PROBE_TRY(unlinkat(dir, "share", 0));
	PROBE_TRY(mkdirat(dir, "share", 0755));
	PROBE_TRY(mount("tmpfs", "/mnt/share", "tmpfs", 0, NULL));
	kept = share_find(dir, "share", NULL, &e) == -EEXIST && kept;
	PROBE_TRY(umount("/mnt/share"));
	PROBE_TRY(mount("proc", "/mnt/share", "proc", MS_NOSUID | MS_NODEV, NULL));
	kept = share_find(dir, "share", NULL, &e) == -EEXIST && kept;
	PROBE_TRY(umount("/mnt/share"));
	PROBE_TRY(mount("/mnt/elsewhere", "/mnt/share", NULL, MS_BIND, NULL));
	PROBE_TRY(mount(NULL, "/mnt/share", NULL, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV,
			NULL));
	kept = share_find(dir, "share", NULL, &e) == -EEXIST && kept;
	kept = share_unmake(dir, "share", true, &e) == -EEXIST && kept;
	PROBE_TRY(umount("/mnt/share"));
	probe_check(kept, "planted: a tmpfs with devices, a proc, a directory of a tmpfs");
	probe_check(share_make(dir, "../share", SIZE, INODES, &e) == -EINVAL &&
		    share_make(dir, "..", SIZE, INODES, &e) == -EINVAL &&
		    share_make(dir, "", SIZE, INODES, &e) == -EINVAL, "planted: names are names");
	PROBE_TRY(unlinkat(dir, "share", AT_REMOVEDIR));
}

static void check_many(int dir)
{
	struct hy_err e = { 0 };
	unsigned int mounts = count_mounts(), fds = count_fds();

	for (int i = 0; i < 1000; i++) {
		ground_try(share_make(dir, "share", SIZE, INODES, &e), &e);
		ground_try(share_in_use(dir, "share", &e), &e);
		ground_try(share_resize(dir, "share", 2 * SIZE, INODES, &e), &e);
		ground_try(share_unmake(dir, "share", i % 2, &e), &e);
	}
	probe_check(count_mounts() == mounts && count_fds() == fds,
		    "1000 shares later: %u mounts and %u descriptors, as before", mounts, fds);
}

int main(void)
{
	unsigned int mounts;
	int dir;

	probe_begin(60);
	dir = ground_make();
	mounts = count_mounts();
	check_make(dir);
	check_times(dir);
	check_usage(dir);
	check_resize(dir);
	check_in_use(dir);
	check_unmake(dir, mounts);
	check_planted(dir);
	check_many(dir);
	return probe_end("a share is what is mounted, and nothing else");
}
