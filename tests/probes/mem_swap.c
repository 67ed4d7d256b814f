/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem_swap.c - a swap file that goes when the probe does, in whatever way it ends
 *
 * Runs in: the probes, on the host and in a guest
 * Reads from: no untrusted input
 *
 * Swap belongs to the whole machine and outlives every namespace, so it must not be forgotten:
 * a guard process waits for the end of this one and takes the swap back. Both hold a lock on the
 * file; a swap file of ours without a lock is a left-over that the next probe takes back.
 */
#include "tests/probes/probe.h"

#include "tests/probes/mem_cgroup.h"
#include "tests/probes/mem_swap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#define SWAP_PREFIX "hylics-probe-swap-"

static const char swap_magic[10] = "SWAPSPACE2";	/* without a final zero byte */

/* The first page of a swap area, include/linux/swap.h: the magic is at its very end. */
struct swap_header {
	unsigned char boot[1024];
	uint32_t version;
	uint32_t last_page;
	uint32_t bad_pages;
};

static struct {
	pid_t owner;
	pid_t guard;
	int alive;			/* write end: closed by the kernel when the owner dies */
	int file;			/* holds the lock */
	char path[PATH_MAX];
} swap = { .alive = -1, .file = -1 };

/*
 * For probe_wait_until(): others may have got into this swap, and with ENOMEM the kernel says that
 * they have no room just now. EINVAL: not in use as swap. ENOENT: it never got its name.
 */
static bool is_off(void *arg)
{
	(void)arg;
	return swapoff(swap.path) == 0 || errno == EINVAL || errno == ENOENT;
}

/* The cgroup first: its limit must not stand in the way of what swapoff() brings back. */
static bool take_back(void)
{
	bool done = mem_cgroup_remove();

	if (!probe_wait_until(is_off, NULL))
		return false;
	return (unlink(swap.path) == 0 || errno == ENOENT) && done;
}

_Noreturn static void guard_run(int owner_gone)
{
	char byte;

	setsid();
	while (read(owner_gone, &byte, 1) < 0 && errno == EINTR)
		;
	_exit(take_back() ? 0 : 1);
}

static void at_exit(void)
{
	if (getpid() == swap.owner)
		mem_swap_off();
}

static void guard_start(void)
{
	sigset_t all;
	sigset_t before;
	int ends[2];

	PROBE_TRY(pipe2(ends, O_CLOEXEC));
	swap.owner = getpid();
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);	/* for ever in the guard */
	swap.guard = (pid_t)PROBE_TRY(fork());
	if (swap.guard == 0) {
		close(ends[1]);
		guard_run(ends[0]);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(ends[0]);
	swap.alive = ends[1];
	atexit(at_exit);
}

bool mem_swap_off(void)
{
	int status = 0;

	if (swap.alive < 0)
		return true;
	close(swap.alive);
	swap.alive = -1;
	while (waitpid(swap.guard, &status, 0) < 0 && errno == EINTR)
		;
	close(swap.file);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void swap_path(char *path, const char *name)
{
	const char *asked = getenv("HY_PROBE_DIR");
	const char *dir = asked && asked[0] ? asked : ".";
	char absolute[PATH_MAX];

	if (!realpath(dir, absolute))
		probe_bail("no directory '%s' for a swap file: %s", dir, strerror(errno));
	if (snprintf(path, PATH_MAX, "%s/%s", absolute, name) >= PATH_MAX)
		probe_bail("the path of the swap file is too long: %s", absolute);
}

static void sweep_one(const char *name)
{
	char path[PATH_MAX];
	int fd;

	swap_path(path, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		probe_note("taking back a swap file that a killed probe left: %s", path);
		swapoff(path);
		unlink(path);
	}
	close(fd);
}

static void sweep_left_overs(void)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	swap_path(path, "");
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (strncmp(entry->d_name, SWAP_PREFIX, strlen(SWAP_PREFIX)) == 0)
			sweep_one(entry->d_name);
	if (dir)
		closedir(dir);
}

static void write_header(int fd, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *first = calloc(1, page);
	struct swap_header head = {
		.version = 1,
		.last_page = (uint32_t)(bytes / page - 1),
	};

	if (!first)
		probe_bail("no memory for a swap header");
	memcpy(first, &head, sizeof(head));
	memcpy(first + page - sizeof(swap_magic), swap_magic, sizeof(swap_magic));
	if (pwrite(fd, first, page, 0) != (ssize_t)page || fsync(fd) < 0)
		probe_bail("writing the swap header: %s", strerror(errno));
	free(first);
}

/* Bytes of a line of /proc/meminfo. */
static size_t meminfo(const char *name)
{
	FILE *f = fopen("/proc/meminfo", "re");
	size_t len = strlen(name);
	char line[128];
	size_t kb = 0;

	while (f && kb == 0 && fgets(line, sizeof(line), f))
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			kb = strtoull(line + len + 1, NULL, 10);
	if (f)
		fclose(f);
	return kb * 1024;
}

size_t mem_swap_bytes(const char *dir, size_t bytes)
{
	size_t all = bytes + meminfo("AnonPages") + meminfo("Shmem");
	struct statvfs at;

	return statvfs(dir, &at) == 0 && 2 * all / at.f_frsize < at.f_bavail ? all : bytes;
}

/* Locked before it has a name, so that no sweep takes it for a left-over. */
static void make_file(size_t bytes)
{
	char dir[PATH_MAX];
	int rc;

	swap_path(dir, "");
	bytes = mem_swap_bytes(dir, bytes);
	swap.file = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (swap.file < 0)
		probe_skip_all("no swap: no unnamed file in %s: %s", dir, strerror(errno));
	PROBE_TRY(flock(swap.file, LOCK_EX));
	rc = posix_fallocate(swap.file, 0, (off_t)bytes);
	if (rc)
		probe_skip_all("no swap: %zu bytes in %s: %s", bytes, dir, strerror(rc));
	write_header(swap.file, bytes);
}

static void name_file(void)
{
	char unnamed[64];

	snprintf(unnamed, sizeof(unnamed), "/proc/self/fd/%d", swap.file);
	PROBE_TRY(linkat(AT_FDCWD, unnamed, AT_FDCWD, swap.path, AT_SYMLINK_FOLLOW));
}

void mem_swap_on(size_t bytes)
{
	char name[64];

	snprintf(name, sizeof(name), SWAP_PREFIX "%d", getpid());
	swap_path(swap.path, name);
	sweep_left_overs();
	make_file(bytes);
	guard_start();
	name_file();
	if (swapon(swap.path, 0) < 0)
		probe_skip_all("no swap: swapon of %s: %s (set HY_PROBE_DIR)", swap.path,
			       strerror(errno));
}
