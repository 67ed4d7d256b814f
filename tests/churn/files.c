/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * files.c - files each byte of which is known: what they are to hold, and whether they do
 *
 * Runs in: tests/churn/churn, on the host or in a guest
 * Reads from: files of the test's own
 */
#include "tests/churn/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CELLS(bytes) (((bytes) + CELL_BYTES - 1) / CELL_BYTES)

int file_new(struct file *f, const char *name, uint64_t id, uint64_t most)
{
	*f = (struct file){ .id = id, .id_before = id, .most = most };
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->gen = calloc(CELLS(most), sizeof(*f->gen));
	return f->gen ? 0 : -ENOMEM;
}

/* splitmix64's end, over what tells one word from all others */
static uint64_t word(uint64_t id, uint32_t gen, uint64_t index)
{
	uint64_t x = id * 0x9e3779b97f4a7c15u ^ gen * 0xd6e8feb86659fd93u ^
		     index * 0xa0761d6478bd642fu;

	if (gen == 0)
		return 0;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static void fill(uint64_t id, uint32_t gen, uint64_t at, uint8_t *to, size_t len)
{
	for (size_t done = 0; done < len;) {
		uint64_t w = word(id, gen, (at + done) / 8);
		size_t skip = (at + done) % 8, n = 8 - skip;

		if (n > len - done)
			n = len - done;
		memcpy(to + done, (const uint8_t *)&w + skip, n);
		done += n;
	}
}

void file_fill(const struct file *f, uint64_t at, uint8_t *to, size_t len)
{
	while (len > 0) {
		size_t n = CELL_BYTES - at % CELL_BYTES;

		if (n > len)
			n = len;
		fill(f->id, f->gen[at / CELL_BYTES], at, to, n);
		at += n;
		to += n;
		len -= n;
	}
}

void file_check(const struct file *f, uint64_t at, const uint8_t *found, size_t len,
		struct tally *t)
{
	uint8_t want[PIECE_BYTES];
	size_t wrong = 0, first = 0;

	file_fill(f, at, want, len);
	t->bytes_read += len;
	if (memcmp(found, want, len) == 0)
		return;
	for (size_t i = len; i-- > 0;) {
		if (found[i] != want[i]) {
			wrong++;
			first = i;
		}
	}
	t->wrong += wrong;
	fprintf(stderr, "wrong: %s at %" PRIu64 ": %zu of %zu bytes; the first is %02x, not %02x, "
		"of generation %" PRIu32 "\n", f->name, at + first, wrong, len, found[first],
		want[first], f->gen[(at + first) / CELL_BYTES]);
}

void file_set(struct file *f, uint64_t from, uint64_t to, uint32_t gen)
{
	for (uint64_t cell = from / CELL_BYTES; cell < CELLS(to); cell++)
		f->gen[cell] = gen;
}

int file_save(const struct file *f, FILE *to)
{
	size_t cells = CELLS(f->most);

	return fwrite(f, sizeof(*f), 1, to) == 1 &&
	       fwrite(f->gen, sizeof(*f->gen), cells, to) == cells ? 0 : -EIO;
}

int file_load(struct file *f, FILE *from)
{
	size_t cells;

	if (fread(f, sizeof(*f), 1, from) != 1)
		return -ENODATA;
	cells = CELLS(f->most);
	f->gen = calloc(cells, sizeof(*f->gen));
	if (!f->gen)
		return -ENOMEM;
	return fread(f->gen, sizeof(*f->gen), cells, from) == cells ? 0 : -EIO;
}

/* One generation and no other, whichever it is; or zeros. */
static bool is_whole_cell(const struct file *f, uint64_t at, const uint8_t *found, size_t len)
{
	const uint64_t ids[] = { f->id, f->id_before };
	uint8_t want[CELL_BYTES];

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		for (uint32_t gen = 0; gen <= f->gen_most; gen++) {
			fill(ids[i], gen, at, want, len < 8 ? len : 8);
			if (memcmp(found, want, len < 8 ? len : 8) != 0)
				continue;
			fill(ids[i], gen, at, want, len);
			if (memcmp(found, want, len) == 0)
				return true;
		}
	}
	return false;
}

static void look_unsure(const struct file *f, uint64_t at, const uint8_t *found, size_t len,
			struct tally *t)
{
	for (size_t done = 0; done < len; done += CELL_BYTES) {
		size_t n = len - done < CELL_BYTES ? len - done : CELL_BYTES;

		if (!is_whole_cell(f, at + done, found + done, n)) {
			fprintf(stderr, "wrong: %s at %" PRIu64 ": of no one generation\n", f->name,
				at + done);
			t->wrong += n;
		}
	}
	t->bytes_read += len;
}

void file_look(const struct file *f, int dir, struct tally *t)
{
	int fd = openat(dir, f->name, O_RDONLY | O_CLOEXEC);
	uint8_t found[PIECE_BYTES];
	uint64_t at = 0;
	struct stat st;
	ssize_t n = -1;

	if (fd < 0 && errno == ENOENT && f->unsure)
		return;
	if (fd >= 0 && fstat(fd, &st) == 0 && !f->unsure && (uint64_t)st.st_size != f->size) {
		fprintf(stderr, "wrong: %s has %jd bytes, not %" PRIu64 "\n", f->name,
			(intmax_t)st.st_size, f->size);
		t->wrong++;
	}
	while (fd >= 0 && at < f->most && (n = pread(fd, found, sizeof(found), (off_t)at)) > 0) {
		if (f->unsure)
			look_unsure(f, at, found, (size_t)n, t);
		else
			file_check(f, at, found, (size_t)n, t);
		at += (uint64_t)n;
	}
	if (fd < 0 || n < 0) {
		fprintf(stderr, "error: %s: %s\n", f->name, strerror(errno));
		t->errors++;
	}
	if (fd >= 0)
		close(fd);
}
