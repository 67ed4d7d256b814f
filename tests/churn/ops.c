/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ops.c - what programs do with files of a share, each thing looked at afterwards
 *
 * Runs in: tests/churn/churn, on the host or in a guest
 * Reads from: files of the test's own
 */
#include "tests/churn/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_BYTES_MAX (256u << 10)	/* files up to this are written anew, cut and let grow */
#define PAGE 4096u

static _Thread_local sigjmp_buf *on_bus;

void hand_on_sigbus(int signo)
{
	if (on_bus)
		siglongjmp(*on_bus, signo);
	abort();
}

static uint64_t draw(struct hand *h, uint64_t below)
{
	h->random ^= h->random << 13;
	h->random ^= h->random >> 7;
	h->random ^= h->random << 17;
	return h->random % below;
}

/* Return: -1. What the file holds is not known any more, so this hand stops. */
static int fail(struct hand *h, const char *what)
{
	const struct file *f = h->at;

	fprintf(stderr, "error: %s: %s: %s\n", f ? f->name : "?", what, strerror(errno));
	*(errno == ENOSPC ? &h->t->enospc : &h->t->errors) += 1;
	h->lost = true;
	return -1;
}

static int open_it(struct hand *h, const char *name, int flags)
{
	int fd = openat(h->dir, name, flags | O_CLOEXEC, 0644);

	return fd < 0 ? fail(h, "open") : fd;
}

/* The bytes of a range as they are to be, to the file. */
static int write_range(struct hand *h, const struct file *f, int fd, uint64_t from, uint64_t to)
{
	uint8_t piece[PIECE_BYTES];

	while (from < to) {
		size_t len = to - from < PIECE_BYTES ? to - from : PIECE_BYTES;
		ssize_t n;

		file_fill(f, from, piece, len);
		n = pwrite(fd, piece, len, (off_t)from);
		if (n <= 0)
			return fail(h, "write");
		from += (uint64_t)n;
		h->t->bytes_written += (unsigned long long)n;
	}
	return 0;
}

static int read_range(struct hand *h, const struct file *f, int fd, uint64_t from, uint64_t to)
{
	uint8_t piece[PIECE_BYTES];

	while (from < to) {
		size_t len = to - from < PIECE_BYTES ? to - from : PIECE_BYTES;
		ssize_t n = pread(fd, piece, len, (off_t)from);

		if (n < 0)
			return fail(h, "read");
		if (n == 0) {
			fprintf(stderr, "wrong: %s ends at %ju, not at %ju\n", f->name,
				(uintmax_t)from, (uintmax_t)to);
			h->t->wrong += to - from;
			return 0;
		}
		file_check(f, from, piece, (size_t)n, h->t);
		from += (uint64_t)n;
	}
	return 0;
}

/* A range of whole cells that a file has, as long as one piece at most. */
static void some_range(struct hand *h, const struct file *f, uint64_t *from, uint64_t *to)
{
	*from = draw(h, f->size) / CELL_BYTES * CELL_BYTES;
	*to = *from + (1 + draw(h, PIECE_BYTES / CELL_BYTES)) * CELL_BYTES;
	if (*to > f->size)
		*to = f->size;
}

static int do_read(struct hand *h, struct file *f, int fd)
{
	uint64_t from, to;

	some_range(h, f, &from, &to);
	return read_range(h, f, fd, from, to);
}

static int do_write(struct hand *h, struct file *f, int fd)
{
	uint64_t from, to;

	some_range(h, f, &from, &to);
	file_set(f, from, to, ++h->gen);
	return write_range(h, f, fd, from, to) < 0 ? -1 : read_range(h, f, fd, from, to);
}

/* Stores through a mapping; @base is where it begins, a page that holds @from. */
static int store(struct hand *h, struct file *f, uint8_t *map, uint64_t base, uint64_t from,
		 uint64_t to)
{
	uint8_t piece[PIECE_BYTES];
	sigjmp_buf jump;

	if (sigsetjmp(jump, 1)) {
		on_bus = NULL;
		h->t->sigbus++;
		errno = EFAULT;
		return fail(h, "SIGBUS");
	}
	on_bus = &jump;
	memcpy(piece, map + (from - base), to - from);
	file_check(f, from, piece, to - from, h->t);
	file_set(f, from, to, ++h->gen);
	file_fill(f, from, piece, to - from);
	memcpy(map + (from - base), piece, to - from);
	h->t->bytes_written += to - from;
	if (msync(map, to - base, MS_SYNC) < 0) {
		on_bus = NULL;
		return fail(h, "msync");
	}
	memcpy(piece, map + (from - base), to - from);
	on_bus = NULL;
	file_check(f, from, piece, to - from, h->t);
	return 0;
}

static int do_map(struct hand *h, struct file *f, int fd)
{
	uint64_t from, to, base;
	uint8_t *map;
	int rc;

	some_range(h, f, &from, &to);
	base = from / PAGE * PAGE;
	map = mmap(NULL, to - base, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)base);
	if (map == MAP_FAILED)
		return fail(h, "mmap");
	rc = store(h, f, map, base, from, to);
	munmap(map, to - base);
	return rc < 0 ? rc : read_range(h, f, fd, from, to);
}

/* The mapping that is never let go of: its pages go out below it. */
static int do_kept(struct hand *h, struct file *f, int fd)
{
	uint64_t from, to, base;

	if (!f->steady)
		return do_read(h, f, fd);
	some_range(h, f, &from, &to);
	base = from / PAGE * PAGE;
	if (store(h, f, h->kept + base, base, from, to) < 0)
		return -1;
	return read_range(h, f, fd, from, to);
}

/* Behind the last byte, which may be in the middle of a cell: that cell keeps its generation. */
static int do_append(struct hand *h, struct file *f, int fd)
{
	uint64_t from = f->size, to = from + 1 + draw(h, 3 * PAGE);
	uint64_t cell = (from + CELL_BYTES - 1) / CELL_BYTES * CELL_BYTES;

	if (f->steady || f->most > NEW_BYTES_MAX || to > f->most)
		return do_write(h, f, fd);
	if (to > cell)
		file_set(f, cell, to, ++h->gen);
	f->size = to;
	return write_range(h, f, fd, from, to) < 0 ? -1 : read_range(h, f, fd, 0, to);
}

/* Cut, and made longer again with zeros; a cell that has both is written anew. */
static int do_cut(struct hand *h, struct file *f, int fd)
{
	uint64_t cut = 1 + draw(h, f->size), then = cut + draw(h, f->most - cut + 1);
	uint64_t cell = (cut + CELL_BYTES - 1) / CELL_BYTES * CELL_BYTES;
	uint64_t end = cell < then ? cell : then;

	if (f->steady || f->most > NEW_BYTES_MAX)
		return do_read(h, f, fd);
	if (ftruncate(fd, (off_t)cut) < 0)
		return fail(h, "truncate");
	if (read_range(h, f, fd, cut - 1, cut) < 0)
		return -1;
	if (cell < f->most)
		file_set(f, cell, f->most, 0);
	f->size = then;
	if (ftruncate(fd, (off_t)then) < 0)
		return fail(h, "truncate");
	if (cell < then && read_range(h, f, fd, cell, then) < 0)
		return -1;
	file_set(f, cut - 1, cut, ++h->gen);
	if (write_range(h, f, fd, (cut - 1) / CELL_BYTES * CELL_BYTES, end) < 0)
		return -1;
	return read_range(h, f, fd, 0, then);
}

static int do_punch(struct hand *h, struct file *f, int fd)
{
	uint64_t from, to;

	some_range(h, f, &from, &to);
	to = to / CELL_BYTES * CELL_BYTES;
	if (to <= from)
		return 0;
	file_set(f, from, to, 0);
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
		      (off_t)(to - from)) < 0)
		return fail(h, "punch a hole");
	return read_range(h, f, fd, from, to);
}

/* The file that loses its name is still whole for who has it open. */
static int look_at_old(struct hand *h, const struct file *f, uint64_t id, uint32_t *gen, int fd)
{
	struct file old = *f;

	old.id = id;
	old.gen = gen;
	return read_range(h, &old, fd, 0, old.size);
}

static int make_new(struct hand *h, struct file *f, const char *name, uint64_t id)
{
	int fd, rc;

	f->id_before = f->id;
	f->id = id;
	file_set(f, 0, f->size, ++h->gen);
	fd = open_it(h, name, O_RDWR | O_CREAT | O_EXCL);
	if (fd < 0)
		return -1;
	rc = write_range(h, f, fd, 0, f->size);
	if (rc == 0)
		rc = read_range(h, f, fd, 0, f->size);
	close(fd);
	return rc;
}

/* Another file at its name: by rename, or after it was removed. */
static int do_new(struct hand *h, struct file *f, int fd)
{
	uint64_t was = f->id;
	size_t bytes = (f->most + CELL_BYTES - 1) / CELL_BYTES * sizeof(*f->gen);
	char name[NAME_BYTES + 4];
	bool moved = draw(h, 2);
	uint32_t *gen;
	int rc;

	if (f->steady || f->most > NEW_BYTES_MAX)
		return do_read(h, f, fd);
	gen = malloc(bytes);
	if (!gen)
		abort();
	memcpy(gen, f->gen, bytes);
	snprintf(name, sizeof(name), "%s%s", f->name, moved ? ".new" : "");
	if (!moved && unlinkat(h->dir, f->name, 0) < 0)
		rc = fail(h, "unlink");
	else
		rc = make_new(h, f, name, (uint64_t)h->number << 32 | ++h->ids);
	if (rc == 0 && moved && renameat(h->dir, name, h->dir, f->name) < 0)
		rc = fail(h, "rename");
	if (rc == 0)
		rc = look_at_old(h, f, was, gen, fd);
	free(gen);
	return rc;
}

static const struct {
	unsigned int share;		/* of 100 */
	int (*op)(struct hand *h, struct file *f, int fd);
} ops[] = {
	{ 38, do_read }, { 15, do_write }, { 12, do_map }, { 12, do_kept }, { 7, do_append },
	{ 5, do_cut }, { 6, do_punch }, { 5, do_new },
};

void hand_work(struct hand *h)
{
	struct file *f = &h->file[draw(h, h->n)];
	unsigned int one = (unsigned int)draw(h, 100), i = 0;
	int fd;

	h->at = f;
	while (i < sizeof(ops) / sizeof(ops[0]) - 1 && one >= ops[i].share)
		one -= ops[i++].share;
	fd = open_it(h, f->name, O_RDWR);
	if (fd < 0)
		return;
	(void)ops[i].op(h, f, fd);
	close(fd);
	if (!h->lost)
		h->at = NULL;
	h->t->ops++;
}

void hand_look(struct hand *h)
{
	for (unsigned int i = 0; i < h->n && !h->lost; i++)
		file_look(&h->file[i], h->dir, h->t);
}

/* -- the beginning -- */

static int begin_file(struct hand *h, const char *kind, uint64_t size, uint64_t most)
{
	struct file *f = &h->file[h->n++];
	char name[NAME_BYTES];
	int fd, rc = 0;

	snprintf(name, sizeof(name), "%u-%s", h->number, kind);
	if (file_new(f, name, (uint64_t)h->number << 32 | ++h->ids, most) < 0)
		abort();
	h->at = f;
	f->size = size;
	fd = open_it(h, name, O_RDWR | O_CREAT | O_TRUNC);
	if (fd < 0)
		return -1;
	if (strcmp(kind, "sparse") == 0) {
		file_set(f, size / 2, size / 2 + PIECE_BYTES, ++h->gen);
		rc = write_range(h, f, fd, size / 2, size / 2 + PIECE_BYTES);
		if (rc == 0 && ftruncate(fd, (off_t)size) < 0)
			rc = fail(h, "truncate");
	} else {
		file_set(f, 0, size, ++h->gen);
		rc = write_range(h, f, fd, 0, size);
	}
	if (rc == 0 && strcmp(kind, "steady") == 0) {
		h->steady = f;
		f->steady = true;
		h->kept = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (h->kept == MAP_FAILED)
			rc = fail(h, "mmap");
	}
	close(fd);
	h->at = NULL;
	return rc;
}

int hand_begin(struct hand *h, unsigned int large)
{
	static const struct {
		const char *kind;
		uint64_t size, most;
	} kinds[] = {
		{ "1", 1, 2 * PAGE }, { "4095", PAGE - 1, 4 * PAGE }, { "4096", PAGE, 4 * PAGE },
		{ "4097", PAGE + 1, 4 * PAGE }, { "65537", (64u << 10) + 1, NEW_BYTES_MAX },
		{ "steady", 1u << 20, 1u << 20 }, { "sparse", 8u << 20, 8u << 20 },
	};
	int rc = 0;

	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && rc == 0; i++)
		rc = begin_file(h, kinds[i].kind, kinds[i].size, kinds[i].most);
	for (unsigned int i = 0; i < large && h->n < FILES_MAX && rc == 0; i++) {
		char kind[NAME_BYTES];

		snprintf(kind, sizeof(kind), "8M-%u", i);
		rc = begin_file(h, kind, 8u << 20, 8u << 20);
	}
	return rc;
}
