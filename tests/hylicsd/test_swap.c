/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_swap.c - a swap file of ours is made, found again, resized, removed; others are left alone
 *
 * Runs in: a host or guest that can have swap, as root
 * Reads from: no untrusted input
 *
 * HY_PROBE_DIR names a directory on a disk, as for the probes.
 */
#include "tests/probes/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include "common/own.h"
#include "hylicsd/swap.h"
#include "tests/hylicsd/ground.h"

#define MIB ((uint64_t)1 << 20)
#define SIZE (8 * MIB)

static char path[PATH_MAX];

static void choose_path(void)
{
	const char *asked = getenv("HY_PROBE_DIR");
	hy_autofree char *dir = realpath(asked && asked[0] ? asked : ".", NULL);

	if (!dir || strlen(dir) > sizeof(path) - 64)
		probe_bail("no directory for a swap file: %s", strerror(errno));
	snprintf(path, sizeof(path), "%s/hylicsd-swap-%d", dir, getpid());
}

static void at_exit(void)
{
	swapoff(path);
	unlink(path);
}

/* Used as swap: whether /proc/swaps has it, and how large it says it is. */
static uint64_t swap_size(void)
{
	hy_autofile *f = fopen("/proc/swaps", "re");
	char name[PATH_MAX], type[32];
	uint64_t kb;
	int c;

	while (f && (c = fgetc(f)) != '\n' && c != EOF)
		;
	while (f && fscanf(f, "%4095s %31s %" SCNu64 " %*s %*s", name, type, &kb) == 3)
		if (strcmp(name, path) == 0)
			return kb * 1024;
	return 0;
}

/* The header takes a page, and blocks smaller than pages cost some more. */
static bool in_use(uint64_t bytes)
{
	uint64_t is = swap_size();

	return is < bytes && is > bytes - bytes / 8;
}

static int make_at(const char *where, uint64_t bytes, struct hy_err *e)
{
	return swap_make(where, bytes, false, e);
}

static void check_make(void)
{
	struct hy_err e = { 0 };
	struct stat st;
	uint64_t before = 0, after = 0;

	ground_try(swap_free(&before, &e), &e);
	if (make_at(path, SIZE, &e) < 0) {
		if (e.num == EPERM || e.num == EINVAL || e.num == EOPNOTSUPP)
			probe_skip_all("no swap here: %s: %s", e.text, strerror(e.num));
		ground_try(-1, &e);
	}
	ground_try(swap_free(&after, &e), &e);
	PROBE_TRY(stat(path, &st));
	probe_check(in_use(SIZE) && after > before,
		    "make: it is in use, and so much more is free: %" PRIu64, after - before);
	probe_check((st.st_mode & 07777) == 0600 && (uint64_t)st.st_blocks * 512 >= SIZE,
		    "make: mode 0600, no holes");
	probe_check(make_at(path, SIZE, &e) == 0 && in_use(SIZE),
		    "make: again is harmless");
	PROBE_TRY(swapoff(path));
	probe_check(make_at(path, SIZE, &e) == 0 && in_use(SIZE),
		    "make: one that is not in use is used again");
	probe_check(make_at(path, 2 * SIZE, &e) == 0 && in_use(2 * SIZE),
		    "make: with another size");
	probe_check(swap_make(path, SIZE, true, &e) == -EBUSY && in_use(2 * SIZE) &&
		    swap_make(path, 2 * SIZE, true, &e) == 0, "make: not another size when needed");
	PROBE_TRY(swapoff(path));
	probe_check(swap_make(path, SIZE, true, &e) == -EBUSY && in_use(2 * SIZE),
		    "make: one that is needed is used again, whatever its size");
	probe_check(swap_unmake(path, &e) == 0 && swap_size() == 0 && stat(path, &st) < 0,
		    "unmake: it is gone");
	probe_check(swap_unmake(path, &e) == 0, "unmake: again is harmless");
}

static bool left_alone(void)
{
	struct hy_err e = { 0 };
	struct stat before, after;

	PROBE_TRY(lstat(path, &before));
	return make_at(path, SIZE, &e) == -EEXIST && swap_unmake(path, &e) == -EEXIST &&
	       lstat(path, &after) == 0 && before.st_ino == after.st_ino &&
	       before.st_size == after.st_size && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec;
}

static void check_foreign(void)
{
	struct hy_err e = { 0 };
	char other[PATH_MAX + 8];

	PROBE_TRY(ground_write(AT_FDCWD, path, SIZE, 1));
	probe_check(left_alone(), "foreign: somebody's file is left alone");
	PROBE_TRY(unlink(path));
	PROBE_TRY(mkfifo(path, 0600));
	probe_check(left_alone(), "foreign: so is a FIFO");
	PROBE_TRY(unlink(path));
	PROBE_TRY(mkdir(path, 0700));
	probe_check(left_alone(), "foreign: and a directory");
	PROBE_TRY(rmdir(path));
	ground_try(make_at(path, SIZE, &e), &e);
	PROBE_TRY(swapoff(path));
	PROBE_TRY(chmod(path, 0644));
	probe_check(left_alone(), "foreign: one like ours that others may read");
	PROBE_TRY(chmod(path, 0600));
	snprintf(other, sizeof(other), "%s.2", path);
	PROBE_TRY(link(path, other));
	probe_check(left_alone(), "foreign: one with two names");
	PROBE_TRY(unlink(path));
	PROBE_TRY(symlink(other, path));
	probe_check(left_alone(), "foreign: a symlink to one of ours");
	PROBE_TRY(unlink(path));
	PROBE_TRY(rename(other, path));
	probe_check(swap_unmake(path, &e) == 0, "foreign: what is ours again is removed");
}

static void check_refused(void)
{
	struct hy_err e = { 0 };
	struct stat st;

	probe_check(make_at("swap", SIZE, &e) == -EINVAL && make_at("/", SIZE, &e) == -EINVAL &&
		    make_at("/tmp/..", SIZE, &e) == -EINVAL &&
		    make_at("/no/such/dir", SIZE, &e) == -ENOENT, "refused: paths");
	probe_check(make_at(path, 0, &e) == -EINVAL && make_at(path, 4096, &e) == -EINVAL &&
		    make_at(path, UINT64_MAX, &e) == -EINVAL, "refused: sizes");
	probe_check(make_at(path, (uint64_t)1 << 43, &e) < 0 && stat(path, &st) < 0,
		    "refused: more than the disk has, and nothing stays: %s", e.text);
	ground_private();
	close(ground_make());
	strcpy(path, "/mnt/swap");
	probe_check(make_at(path, SIZE, &e) == -EINVAL && stat(path, &st) < 0,
		    "refused: on a tmpfs, and nothing stays: %s", e.text);
}

int main(void)
{
	probe_begin(60);
	choose_path();
	atexit(at_exit);
	check_make();
	check_foreign();
	check_refused();
	return probe_end("a swap file of ours comes and goes, others are left alone");
}
