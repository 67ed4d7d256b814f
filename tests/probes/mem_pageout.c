/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem_pageout.c - one file of a tmpfs can be put out to swap and brought back, alone
 *
 * Runs in: the host or a guest that can have swap
 * Reads from: no untrusted input
 *
 * What the kernel really does, and the design has to go by:
 * - MADV_PAGEOUT sees only pages that the caller's mapping has touched: MADV_POPULATE_READ first.
 * - It writes them to swap and leaves them in memory as clean copies (a swap device that writes
 *   at once, such as zram, frees them too); mincore() still counts those as in. A few pages
 *   are left out.
 * - The next reclaim takes these copies first: here, when the memory cgroup's limit is lowered by
 *   as much as the file is large. It spares files that are in use, but not to the last page; what
 *   it took of them comes back when it is read. Of files not in use it took more when the pieces
 *   were 2 MB and the limit fell at once; hence small pieces, small steps.
 * - A step may be refused where nothing can be given up just then: it is tried again, and told.
 * - MADV_POPULATE_READ brings the file back; sendfile() works while it is out.
 *
 * Only the limit is exact, and is asserted so. Which pages the kernel chooses is asserted as "most"
 * and "few", with an eighth of the file between them and all or none, and told to the page.
 */
#include "tests/probes/probe.h"

#include "tests/probes/mem_cgroup.h"
#include "tests/probes/mem_swap.h"
#include "tests/probes/mem_tmpfs.h"

#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILE_BYTES (24u << 20)
#define LIMIT_BYTES (3 * FILE_BYTES)
#define SLACK_BYTES (4u << 20)		/* so that the last steps do not take the other file */
#define STEP_BYTES (1u << 20)
#define PIECE_BYTES (64 * 1024)
#define FEW(pages) ((pages) / 8)
#define MOST(pages) ((pages) - FEW(pages))

struct file {
	unsigned int stream;
	int fd;
	void *map;
};

/* Twice read: the kernel counts it as in use, and takes what is not in use before. */
static void read_twice(int fd)
{
	static unsigned char chunk[PIECE_BYTES];

	for (off_t at = 0; at < 2 * (off_t)FILE_BYTES; at += PIECE_BYTES)
		PROBE_TRY(pread(fd, chunk, sizeof(chunk), at % FILE_BYTES));
}

/* Written inside the cgroup, so charged to it; mapped here, outside. */
static struct file file_make(int dir, const char *name, unsigned int stream)
{
	struct file file = { .stream = stream };
	pid_t writer = probe_fork();

	if (writer == 0) {
		mem_cgroup_join();
		read_twice(mem_file_filled(dir, name, FILE_BYTES, stream));
		_exit(0);
	}
	if (probe_join(writer) != 0)
		probe_bail("the writer of file %s failed", name);
	file.fd = mem_file_open(dir, name);
	file.map = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, 0);
	if (file.map == MAP_FAILED)
		probe_bail("mmap of %s on tmpfs", name);
	return file;
}

static size_t resident(struct file *file)
{
	return mem_resident_pages(file->map, FILE_BYTES);
}

static void page_out(struct file *file)
{
	for (size_t at = 0; at < FILE_BYTES; at += PIECE_BYTES)
		PROBE_TRY(madvise((char *)file->map + at, PIECE_BYTES, MADV_PAGEOUT));
}

/*
 * Pages that have a copy in swap: given up already, or still in memory and clean. The second is
 * known for the whole cgroup only, in batches, and the other file can have some too.
 */
static size_t copied_pages(struct file *file)
{
	size_t clean = (size_t)mem_cgroup_stat("swapcached") / mem_page_size();

	return FILE_BYTES / mem_page_size() - resident(file) + clean;
}

static bool nothing_under_write(void *arg)
{
	(void)arg;
	return mem_cgroup_stat("writeback") <= 0 && mem_cgroup_stat("file_writeback") <= 0;
}

static void check_written(struct file *cold, size_t pages)
{
	size_t untouched;
	size_t touched;

	page_out(cold);
	untouched = copied_pages(cold);
	PROBE_TRY(madvise(cold->map, FILE_BYTES, MADV_POPULATE_READ));
	page_out(cold);
	touched = copied_pages(cold);
	/* none, most often; a kernel that does more harms nobody */
	probe_note("MADV_PAGEOUT of a mapping never touched: %zu pages to swap", untouched);
	probe_check(touched >= MOST(pages),
		    "MADV_PAGEOUT of a touched one puts most in swap: %zu of %zu pages",
		    touched < pages ? touched : pages, pages);
	probe_check(probe_wait_until(nothing_under_write, NULL), "the write to swap ends");
	probe_note("%zu of them are still in memory too", resident(cold));
}

struct step {
	struct file *cold;
	size_t limit;
	unsigned int refused;
};

/*
 * Refused, the file is put out once more: the kernel may have found pages in use that were only
 * brought in, and goes on finding them so.
 */
static bool limit_is_set(void *arg)
{
	struct step *step = arg;
	bool set = mem_cgroup_set_limit(step->limit) == 0;

	if (!set) {
		step->refused++;
		page_out(step->cold);
	}
	return set;
}

static void check_room(struct file *cold, struct file *other, size_t pages, size_t limit)
{
	size_t room = limit / mem_page_size();
	size_t both = resident(cold) + resident(other);

	probe_check(both <= room, "both files are within the limit: %zu pages of %zu", both, room);
	read_twice(other->fd);
	probe_check(resident(cold) <= pages / 2, "that takes most of the file out of memory: "
		    "%zu of %zu pages left", resident(cold), pages);
	probe_check(resident(other) >= MOST(pages), "the file in use beside it stays: %zu of %zu "
		    "pages", resident(other), pages);
}

static void check_reclaimed(struct file *cold, struct file *other, size_t pages)
{
	struct step step = { .cold = cold, .limit = 2 * FILE_BYTES + SLACK_BYTES };
	bool lowered = true;
	size_t lost = 0;

	/* in use all the time, so that what a step takes of it comes back: counted, and told */
	while (lowered && step.limit > FILE_BYTES + SLACK_BYTES) {
		step.limit -= STEP_BYTES;
		read_twice(other->fd);
		lowered = probe_wait_until(limit_is_set, &step);
		lost += pages - resident(other);
	}
	probe_check(lowered, "the limit goes down by the size of the file");
	probe_note("%u times it was refused at first", step.refused);
	probe_note("%zu pages of the file in use were taken, and read back at the next step", lost);
	check_room(cold, other, pages, step.limit);
}

/* The piece of which most is out. */
static off_t piece_out(struct file *file, size_t *in)
{
	off_t best = 0;

	*in = PIECE_BYTES / mem_page_size();
	for (off_t at = 0; at < (off_t)FILE_BYTES; at += PIECE_BYTES) {
		size_t here = mem_resident_pages((char *)file->map + at, PIECE_BYTES);

		if (here < *in) {
			*in = here;
			best = at;
		}
	}
	return best;
}

static void check_sendfile_from_swap(struct file *cold)
{
	static unsigned char got[PIECE_BYTES];
	struct probe_pair pair;
	size_t in;
	off_t start = piece_out(cold, &in);
	off_t at = start;
	ssize_t sent;
	ssize_t wrong;

	probe_tcp_pair(&pair);
	sent = PROBE_TRY(sendfile(pair.server, cold->fd, &at, PIECE_BYTES));
	if (recv(pair.client, got, (size_t)sent, MSG_WAITALL) != sent)
		probe_bail("the peer could not read what sendfile() sent");
	wrong = probe_first_wrong(got, (size_t)sent, (uint64_t)start, cold->stream);
	probe_check(sent == PIECE_BYTES && wrong < 0,
		    "sendfile() of a piece that is out (%zu pages are in): %zd bytes, first wrong "
		    "one %zd", in, sent, wrong);
	close(pair.listener);
	close(pair.client);
	close(pair.server);
}

static void check_bring_back(struct file *cold, struct file *other, size_t pages)
{
	ssize_t wrong;

	if (mem_cgroup_set_limit(LIMIT_BYTES) < 0)
		probe_bail("the limit could not be raised again");
	PROBE_TRY(madvise(cold->map, FILE_BYTES, MADV_POPULATE_READ));
	probe_check(resident(cold) >= MOST(pages), "MADV_POPULATE_READ brings it back: %zu of %zu "
		    "pages", resident(cold), pages);
	wrong = probe_first_wrong(cold->map, FILE_BYTES, 0, cold->stream);
	probe_check(wrong < 0, "its bytes are right (first wrong one %zd)", wrong);
	wrong = probe_first_wrong(other->map, FILE_BYTES, 0, other->stream);
	probe_check(wrong < 0, "so are those of the file beside it (first wrong one %zd)", wrong);
}

static void file_drop(struct file *file)
{
	munmap(file->map, FILE_BYTES);
	close(file->fd);
}

int main(void)
{
	size_t pages = FILE_BYTES / mem_page_size();
	struct file cold;
	struct file other;
	int dir;

	probe_begin(60);
	dir = mem_tmpfs(3 * FILE_BYTES);
	mem_cgroup_make(LIMIT_BYTES);
	if (mem_cgroup_stat("swapcached") < 0)
		probe_skip_all("this kernel's memory.stat does not tell what is also in swap");
	mem_swap_on(3 * FILE_BYTES);
	probe_private_net(0);
	other = file_make(dir, "other", 2);	/* the older one: first in line by age */
	cold = file_make(dir, "cold", 1);
	probe_check(resident(&cold) >= MOST(pages) && resident(&other) >= MOST(pages),
		    "at first both files are in memory: %zu and %zu of %zu pages",
		    resident(&cold), resident(&other), pages);
	check_written(&cold, pages);
	check_reclaimed(&cold, &other, pages);
	check_sendfile_from_swap(&cold);
	check_bring_back(&cold, &other, pages);
	file_drop(&cold);
	file_drop(&other);
	close(dir);
	probe_check(mem_swap_off(), "cgroup, swap and swap file are gone");
	return probe_end("MADV_PAGEOUT and a lower limit put one tmpfs file out and spare one in "
			 "use; MADV_POPULATE_READ brings it back");
}
