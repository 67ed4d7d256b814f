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
#include "hylicsd/job.h"
#include "hylicsd/regular.h"

#define WINDOW_BYTES (16u << 20)	/* mapped at a time */
#define PAGE_MIN 4096
#define PIECE_BYTES (64u << 10)		/* larger ones cost idle neighbours pages */
#define STEP_BYTES (1u << 20)
#define SQUEEZES 4			/* the kernel may take what is not meant */
#define ENOUGH 16			/* so small a part may stay */
#define SQUEEZE_MS 5000

/* What is done with one range of data; @map is null if it is a file's end that went meanwhile. */
struct pass {
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

static int each_piece(const struct pass *pass, char *map, size_t len)
{
	int rc = 0;

	for (size_t at = 0; at < len && rc == 0; at += PIECE_BYTES) {
		if (hy_clock_ms() >= pass->until_ms)
			return -ETIMEDOUT;
		rc = pass->piece(map + at, len - at < PIECE_BYTES ? len - at : PIECE_BYTES,
				pass->arg);
	}
	return rc;
}

/* Both bounds are whole pages. */
static int each_window(int fd, off_t from, off_t to, const struct pass *pass)
{
	int rc = 0;

	for (off_t at = from; at < to && rc == 0; at += WINDOW_BYTES) {
		size_t len = (size_t)(to - at < WINDOW_BYTES ? to - at : WINDOW_BYTES);
		char *map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, at);

		if (map == MAP_FAILED)
			return -errno;
		rc = each_piece(pass, map, len);
		munmap(map, len);
	}
	return rc;
}

/* Walks the ranges that hold data, in memory or swap. Bounded by the size at the start. */
static int each_data(int fd, off_t size, const struct pass *pass)
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
		rc = each_window(fd, start / page * page, (end + page - 1) / page * page, pass);
	}
	return rc;
}

static int run(int fd, const struct pass *pass, off_t *size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*size = st.st_size;
	return each_data(fd, st.st_size, pass);
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
	const struct pass pass = { count_piece, &bytes, until_ms };
	off_t size = 0;
	int rc = run(fd, &pass, &size);

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
	const struct pass pass = { out_piece, NULL, until_ms };
	off_t size;
	int rc = run(fd, &pass, &size);

	return rc < 0 ? hy_err_set(e, -rc, "put pages out") : 0;
}

int pages_in(int fd, uint64_t until_ms, struct hy_err *e)
{
	const struct pass pass = { touch_piece, NULL, until_ms };
	off_t size;
	int rc = run(fd, &pass, &size);

	return rc < 0 ? hy_err_set(e, -rc, "bring pages back") : 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Takes so many bytes from the cgroup, less if it cannot give more up. The limit stays low. */
static int lower(const struct cgroups *c, const char *name, uint64_t bytes, uint64_t limit,
		 uint64_t until_ms)
{
	uint64_t now;
	int rc = 0;

	while (rc == 0 && bytes > 0 && limit > STEP_BYTES && (now = hy_clock_ms()) < until_ms) {
		uint64_t step = least(bytes, STEP_BYTES);

		bytes -= step;
		limit -= step;
		rc = job_limit(c, name, limit, least(until_ms - now, SQUEEZE_MS), NULL);
	}
	return rc == -EBUSY || rc == -ETIMEDOUT || rc == -EINTR ? 0 : rc;
}

static int squeeze(const struct cgroups *c, const char *name, uint64_t bytes,
		   uint64_t limit_after, uint64_t until_ms, struct hy_err *e)
{
	struct cgroup_usage u;
	int rc = cgroup_usage(c, name, &u, e), raised;

	if (rc < 0)
		return rc;
	rc = lower(c, name, bytes, least(u.memory_bytes, u.limit_bytes), until_ms);
	if (hy_fault(FAULT_VM_PAGES) < 0)
		return hy_err_set(e, EIO, "a fault step");
	raised = cgroup_limit(c, name, limit_after ? limit_after : u.limit_bytes, e);
	return rc < 0 ? hy_err_set(e, -rc, "cgroup '%s': squeeze", name) : raised;
}

int pages_let_go(const struct cgroups *c, const char *name, const struct pages_going *going,
		 uint64_t until_ms, struct hy_err *e)
{
	uint64_t left = going->left(going->object);
	unsigned int times = 0;
	int rc;

	do {
		rc = squeeze(c, name, left, going->limit_bytes, until_ms, e);
		left = going->left(going->object);
	} while (rc == 0 && ++times < SQUEEZES && left > going->bytes / ENOUGH);
	return rc;
}
