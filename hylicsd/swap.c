/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * swap.c - the machine's swap: how much is free, and one swap file of our own
 *
 * Runs in: hylicsd and its jobs
 * Reads from: /proc/meminfo; the swap file's path from the configuration (believed)
 */
#include "hylicsd/swap.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/swap.h>
#include <unistd.h>

#include "common/own.h"
#include "hylicsd/place.h"

#define FILE_MODE 0600
#define LABEL "hylics-swap"
#define MAGIC "SWAPSPACE2"		/* the last bytes of the first page */
#define MAGIC_LEN 10
#define ZERO_BYTES 65536
#define PAGE_MAX 65536			/* of any machine */
#define PAGES_MIN 10			/* the kernel wants some beside the header */

/* The first page of a swap area, as include/linux/swap.h of the kernel describes it. */
struct swap_header {
	uint8_t boot[1024];
	uint32_t version;
	uint32_t last_page;
	uint32_t bad_pages;
	uint8_t uuid[16];
	char label[16];
};

static size_t page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

int swap_free(uint64_t *bytes, struct hy_err *e)
{
	hy_autofile *f = fopen("/proc/meminfo", "re");
	static const char key[] = "SwapFree:";
	char line[128];

	if (!f)
		return hy_err_set(e, errno, "/proc/meminfo: open");
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, sizeof(key) - 1) != 0)
			continue;
		*bytes = strtoull(line + sizeof(key) - 1, NULL, 10) * 1024;	/* kB */
		return 0;
	}
	return hy_err_set(e, ENODATA, "/proc/meminfo: no SwapFree");
}

static bool is_ours(int fd, const struct stat *st)
{
	struct swap_header h;
	char magic[MAGIC_LEN];

	return S_ISREG(st->st_mode) && st->st_uid == geteuid() && st->st_nlink == 1 &&
	       (st->st_mode & 07777) == FILE_MODE &&
	       pread(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h) &&
	       pread(fd, magic, MAGIC_LEN, (off_t)page_bytes() - MAGIC_LEN) == MAGIC_LEN &&
	       memcmp(magic, MAGIC, MAGIC_LEN) == 0 &&
	       strncmp(h.label, LABEL, sizeof(h.label)) == 0;
}

/* Opens a file of ours. Returns the descriptor, -ENOENT with @e untouched if nothing is there. */
static int open_ours(int dir, const char *name, const char *path, struct stat *st,
		     struct hy_err *e)
{
	hy_autofd fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0 && errno != ELOOP)
		return hy_err_set(e, errno, "swap file '%s': open", path);
	if (fd < 0 || fstat(fd, st) < 0 || !is_ours(fd, st))
		return hy_err_set(e, EEXIST, "swap file '%s': what is there was not made by "
				  "hylicsd, so it is left alone", path);
	return hy_fd_steal(&fd);
}

static const char *path_of(char self[32], int fd)
{
	snprintf(self, 32, "/proc/self/fd/%d", fd);
	return self;
}

/* Not to be told apart from success: it was on already. */
static int switch_on(int fd, const char *path, struct hy_err *e)
{
	char self[32];

	if (swapon(path_of(self, fd), 0) == 0 || errno == EBUSY)
		return 0;
	if (errno == EINVAL)
		return hy_err_set(e, EINVAL, "swap file '%s': this file system cannot hold one",
				  path);
	if (errno == EPERM)
		return hy_err_set(e, EPERM, "swap file '%s': needs CAP_SYS_ADMIN on the host "
				  "itself, no container's", path);
	return hy_err_set(e, errno, "swap file '%s': swapon", path);
}

static int write_zeros(int fd, uint64_t bytes)
{
	static const char zeros[ZERO_BYTES];

	for (uint64_t at = 0; at < bytes;) {
		uint64_t want = bytes - at < ZERO_BYTES ? bytes - at : ZERO_BYTES;
		ssize_t n = pwrite(fd, zeros, want, (off_t)at);

		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		at += (uint64_t)n;
	}
	return 0;
}

/* Swap must lie on blocks that never move. A file system without such a flag needs none. */
static void forbid_copies(int fd)
{
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return;
	flags |= FS_NOCOW_FL;
	if (ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0)
		return;			/* then swapon() has the last word */
}

/* Asked first: a file that does not fit would fill the disk before it fails. */
static bool has_room(int fd, uint64_t bytes)
{
	struct statvfs at;

	return fstatvfs(fd, &at) < 0 || bytes / at.f_frsize <= at.f_bavail;
}

static int allocate(int fd, uint64_t bytes)
{
	if (!has_room(fd, bytes))
		return -ENOSPC;
	forbid_copies(fd);
	if (fallocate(fd, 0, 0, (off_t)bytes) == 0)
		return 0;
	return errno == EOPNOTSUPP ? write_zeros(fd, bytes) : -errno;
}

static int write_header(int fd, uint64_t bytes)
{
	size_t page = page_bytes();
	_Alignas(struct swap_header) char first[PAGE_MAX] = { 0 };
	struct swap_header *h = (struct swap_header *)first;

	h->version = 1;
	h->last_page = (uint32_t)(bytes / page - 1);
	snprintf(h->label, sizeof(h->label), "%s", LABEL);
	for (size_t i = 0; i < MAGIC_LEN; i++)
		first[page - MAGIC_LEN + i] = MAGIC[i];
	if (pwrite(fd, first, page, 0) != (ssize_t)page)
		return errno ? -errno : -EIO;
	return fsync(fd) < 0 ? -errno : 0;
}

/* Opened anew: by the descriptor it was made with, the kernel knows it without a name for ever. */
static int use_file(int dir, const char *name, const char *path, struct hy_err *e)
{
	struct stat st = { 0 };
	hy_autofd fd = open_ours(dir, name, path, &st, e);

	if (fd == -ENOENT)
		return hy_err_set(e, ENOENT, "swap file '%s'", path);
	return fd < 0 ? fd : switch_on(fd, path, e);
}

/*
 * The file gets its name when it is whole: nobody finds a half one. It is made beside its place as
 * a file without a name, which a crash does not leave.
 */
static int make_file(int dir, const char *name, const char *path, uint64_t bytes,
		     struct hy_err *e)
{
	hy_autofd fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, FILE_MODE);
	char self[32];
	int rc;

	if (fd < 0)
		return hy_err_set(e, errno, "swap file '%s': make a file without a name beside it",
				  path);
	rc = fchmod(fd, FILE_MODE) < 0 ? -errno : allocate(fd, bytes);
	if (rc == 0)
		rc = write_header(fd, bytes);
	if (rc < 0)
		return hy_err_set(e, -rc, "swap file '%s': allocate %" PRIu64 " bytes", path,
				  bytes);
	if (linkat(AT_FDCWD, path_of(self, fd), dir, name, AT_SYMLINK_FOLLOW) < 0)
		return hy_err_set(e, errno, "swap file '%s': give it its name", path);
	rc = use_file(dir, name, path, e);
	if (rc < 0)
		unlinkat(dir, name, 0);
	return rc;
}

/* EINVAL: it was not in use. */
static int switch_off(int fd, const char *path, struct hy_err *e)
{
	char self[32];

	if (swapoff(path_of(self, fd)) == 0 || errno == EINVAL)
		return 0;
	if (errno == ENOMEM)
		return hy_err_set(e, ENOMEM, "swap file '%s': what is in it has no room elsewhere",
				  path);
	return hy_err_set(e, errno, "swap file '%s': swapoff", path);
}

static int take_away(int dir, const char *name, const char *path, int fd, struct hy_err *e)
{
	int rc = switch_off(fd, path, e);

	if (rc == 0 && unlinkat(dir, name, 0) < 0)
		return hy_err_set(e, errno, "swap file '%s': remove", path);
	return rc;
}

static int other_size(const char *path, const struct stat *st, struct hy_err *e)
{
	return hy_err_set(e, EBUSY, "swap file '%s': keeps its size of %" PRIu64 " bytes "
			  "while a VM needs it", path, (uint64_t)st->st_size);
}

int swap_make(const char *path, uint64_t bytes, bool as_it_is, struct hy_err *e)
{
	const char *name = NULL;
	hy_autofd dir = -1;
	hy_autofd fd = -1;
	struct stat st = { 0 };
	int rc;

	bytes -= bytes % page_bytes();
	if (bytes / page_bytes() < PAGES_MIN || bytes / page_bytes() > UINT32_MAX)
		return hy_err_set(e, EINVAL, "swap file '%s': a size of %" PRIu64 " bytes", path,
				  bytes);
	dir = place_open(path, "swap file", &name, e);
	if (dir < 0)
		return dir;
	fd = open_ours(dir, name, path, &st, e);
	if (fd == -ENOENT)
		return make_file(dir, name, path, bytes, e);
	if (fd < 0)
		return fd;
	if ((uint64_t)st.st_size == bytes || as_it_is) {
		rc = switch_on(fd, path, e);
		return rc == 0 && (uint64_t)st.st_size != bytes ? other_size(path, &st, e) : rc;
	}
	rc = take_away(dir, name, path, fd, e);
	return rc == 0 ? make_file(dir, name, path, bytes, e) : rc;
}

int swap_unmake(const char *path, struct hy_err *e)
{
	const char *name = NULL;
	hy_autofd dir = place_open(path, "swap file", &name, e);
	hy_autofd fd = -1;
	struct stat st = { 0 };

	if (dir < 0)
		return dir;
	fd = open_ours(dir, name, path, &st, e);
	if (fd == -ENOENT)
		return 0;
	return fd < 0 ? fd : take_away(dir, name, path, fd, e);
}
