/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pages.c - which part of a file of the share is in memory, putting it out, bringing it back
 *
 * Runs in: jobs of hylicsd, inside the VM's cgroup
 * Reads from: the share (hostile): names, sizes that change meanwhile
 */
#include "hylicsd/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/own.h"
#include "hylicsd/regular.h"

#define WINDOW_BYTES (16u << 20)	/* mapped at a time */
#define PAGE_MIN 4096
#define PIECE_BYTES (64u << 10)		/* larger ones cost idle neighbours pages */
#define STEP_BYTES (1u << 20)

/* What is done with one range of data; @map is null if it is a file's end that went meanwhile. */
struct job {
	int (*piece)(char *map, size_t len, void *arg);
	void *arg;
	uint64_t until_ms;
};

int pages_open(int share, const char *path, struct hy_err *e)
{
	const struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
			   RESOLVE_NO_XDEV,
	};
	hy_autofd place = (int)syscall(SYS_openat2, share, path, &how, sizeof(how));
	struct stat st;
	int fd;

	if (place < 0)
		return hy_err_set(e, errno, "file '%.256s' of the share: open", path);
	fd = regular_open(place, O_RDONLY | O_NOATIME, &st);
	if (fd < 0)
		return hy_err_set(e, -fd, "file '%.256s' of the share: open, regular files only",
				  path);
	return fd;
}

static int each_piece(const struct job *job, char *map, size_t len)
{
	int rc = 0;

	for (size_t at = 0; at < len && rc == 0; at += PIECE_BYTES) {
		if (hy_clock_ms() >= job->until_ms)
			return -ETIMEDOUT;
		rc = job->piece(map + at, len - at < PIECE_BYTES ? len - at : PIECE_BYTES,
				job->arg);
	}
	return rc;
}

/* Both bounds are whole pages. */
static int each_window(int fd, off_t from, off_t to, const struct job *job)
{
	int rc = 0;

	for (off_t at = from; at < to && rc == 0; at += WINDOW_BYTES) {
		size_t len = (size_t)(to - at < WINDOW_BYTES ? to - at : WINDOW_BYTES);
		char *map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, at);

		if (map == MAP_FAILED)
			return -errno;
		rc = each_piece(job, map, len);
		munmap(map, len);
	}
	return rc;
}

/* Walks the ranges that hold data, in memory or swap. Bounded by the size at the start. */
static int each_data(int fd, off_t size, const struct job *job)
{
	off_t page = sysconf(_SC_PAGESIZE);
	off_t end = 0;
	int rc = 0;

	while (rc == 0 && end < size) {
		off_t start = lseek(fd, end, SEEK_DATA);

		if (start < 0)
			return errno == ENXIO ? 0 : -errno;
		end = lseek(fd, start, SEEK_HOLE);
		if (end < 0)
			return errno == ENXIO ? 0 : -errno;
		if (end > size)
			end = size;
		rc = each_window(fd, start / page * page, (end + page - 1) / page * page, job);
	}
	return rc;
}

static int run(int fd, const struct job *job, off_t *size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*size = st.st_size;
	return each_data(fd, st.st_size, job);
}

static int count_piece(char *map, size_t len, void *arg)
{
	unsigned char state[PIECE_BYTES / PAGE_MIN];
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t *bytes = arg;

	if (mincore(map, len, state) < 0)
		return -errno;
	for (size_t i = 0; i < len / page; i++)
		*bytes += (state[i] & 1) * page;
	return 0;
}

int pages_count(int fd, uint64_t until_ms, struct pages_count *c, struct hy_err *e)
{
	uint64_t bytes = 0;
	const struct job job = { count_piece, &bytes, until_ms };
	off_t size = 0;
	int rc = run(fd, &job, &size);

	if (rc < 0)
		return hy_err_set(e, -rc, "count the pages in memory");
	*c = (struct pages_count){ (uint64_t)size, bytes };
	return 0;
}

/* EFAULT: the guest has cut the file, there is nothing to touch any more. */
static int touch_piece(char *map, size_t len, void *arg)
{
	(void)arg;
	return madvise(map, len, MADV_POPULATE_READ) < 0 && errno != EFAULT ? -errno : 0;
}

/* Only what is in memory is touched: what is out would be brought back for it. */
static int out_piece(char *map, size_t len, void *arg)
{
	unsigned char state[PIECE_BYTES / PAGE_MIN];
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (mincore(map, len, state) < 0)
		return -errno;
	for (size_t i = 0; i < len / page; i++) {
		int rc = state[i] & 1 ? touch_piece(map + i * page, page, arg) : 0;

		if (rc < 0)
			return rc;
	}
	return madvise(map, len, MADV_PAGEOUT) < 0 ? -errno : 0;
}

int pages_out(int fd, uint64_t until_ms, struct hy_err *e)
{
	const struct job job = { out_piece, NULL, until_ms };
	off_t size;
	int rc = run(fd, &job, &size);

	return rc < 0 ? hy_err_set(e, -rc, "put pages out") : 0;
}

int pages_in(int fd, uint64_t until_ms, struct hy_err *e)
{
	const struct job job = { touch_piece, NULL, until_ms };
	off_t size;
	int rc = run(fd, &job, &size);

	return rc < 0 ? hy_err_set(e, -rc, "bring pages back") : 0;
}

int pages_squeeze(const struct cgroups *c, const char *name, uint64_t bytes, uint64_t until_ms,
		  struct hy_err *e)
{
	struct cgroup_usage u;
	uint64_t limit;
	int rc = cgroup_usage(c, name, &u, e);

	if (rc < 0)
		return rc;
	limit = u.memory_bytes < u.limit_bytes ? u.memory_bytes : u.limit_bytes;
	while (bytes > 0 && limit > STEP_BYTES && rc == 0 && hy_clock_ms() < until_ms) {
		uint64_t step = bytes < STEP_BYTES ? bytes : STEP_BYTES;

		bytes -= step;
		limit -= step;
		rc = cgroup_limit(c, name, limit, NULL);
	}
	if (rc < 0 && rc != -EBUSY)
		return hy_err_set(e, -rc, "cgroup '%s': squeeze", name);
	if (hy_fault(FAULT_VM_PAGES) < 0)
		return hy_err_set(e, EIO, "a fault step");
	return cgroup_limit(c, name, u.limit_bytes, e);
}
