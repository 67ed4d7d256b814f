/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * share_mmap.c - what a mount of the share keeps of the share's promise, mmap() included
 *
 * Runs in: a guest, once per mount and cache mode; without arguments on a tmpfs of its own
 * Reads from: no untrusted input
 *
 * Usage: probe-share_mmap [DIR [LABEL]] [--writer DIR] [--expect-mmap yes|no] ...
 *
 * DIR is on the mount under test. --writer names a second way to the same directory that goes
 * round this mount's cache (in a guest: the same host directory exported and mounted once more,
 * cache=none): it plays the host. Without it only the mapping itself can be judged.
 *
 * Four behaviours, each with an --expect-NAME yes|no (default yes), because cache modes differ:
 *	mmap	a shared writable mapping is possible
 *	fresh	after open() a byte is seen that was written on the other side before
 *	write	what write() has written is seen on the other side, file still open
 *	msync	what msync() has written is seen on the other side, mapping still there
 */
#include "tests/probes/probe.h"

#include "tests/probes/mem_tmpfs.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES (64 * 1024)

enum { BORN = 1, REWRITTEN, BY_WRITE, BY_MSYNC };

enum expectation { MMAP, FRESH, WRITE, MSYNC, EXPECTATIONS };

static struct {
	const char *label;
	int dir;			/* on the mount under test */
	int writer;			/* the other way to it, -1 if there is none */
	char file[32];
	bool expect[EXPECTATIONS];
	const char *found[EXPECTATIONS];
	pid_t owner;
} share = {
	.label = "tmpfs",
	.dir = -1,
	.writer = -1,
	.expect = { true, true, true, true },
	.found = { "not tried", "not tried", "not tried", "not tried" },
};

static unsigned char buf[FILE_BYTES];

_Noreturn static void usage(void)
{
	fprintf(stderr, "usage: probe-share_mmap [DIR [LABEL]] [--writer DIR] "
			"[--expect-mmap|--expect-fresh|--expect-write|--expect-msync yes|no]...\n");
	exit(2);
}

static bool yes_or_no(const char *text)
{
	bool yes = strcmp(text, "yes") == 0;

	if (!yes && strcmp(text, "no") != 0)
		usage();
	return yes;
}

static int open_dir(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		probe_bail("%s: %s", path, strerror(errno));
	return dir;
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "expect-mmap", required_argument, NULL, MMAP },
		{ "expect-fresh", required_argument, NULL, FRESH },
		{ "expect-write", required_argument, NULL, WRITE },
		{ "expect-msync", required_argument, NULL, MSYNC },
		{ "writer", required_argument, NULL, EXPECTATIONS },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == EXPECTATIONS)
			share.writer = open_dir(optarg);
		else if (option < EXPECTATIONS)
			share.expect[option] = yes_or_no(optarg);
		else
			usage();
	}
	if (argc - optind > 2)
		usage();
	if (optind < argc) {
		share.dir = open_dir(argv[optind]);
		share.label = optind + 1 < argc ? argv[optind + 1] : argv[optind];
	} else {
		share.dir = mem_tmpfs(16 * FILE_BYTES);
		share.writer = share.dir;
	}
}

static void check_expected(enum expectation what, bool holds, const char *text, const char *detail)
{
	share.found[what] = holds ? "yes" : "no";
	probe_check(holds == share.expect[what], "%s: %s: %s (%s)%s", share.label, text,
		    share.found[what], detail,
		    holds == share.expect[what] ? "" : ", expected otherwise");
}

static int open_in(int dir)
{
	return mem_file_open(dir, share.file);
}

static void write_all(int fd, unsigned int stream)
{
	probe_fill(buf, FILE_BYTES, 0, stream);
	if (pwrite(fd, buf, FILE_BYTES, 0) != FILE_BYTES)
		probe_bail("%s: the file could not be written as a whole", share.label);
}

/* Right bytes from the start of the file, up to the first wrong or missing one. */
static size_t right_bytes(int fd, unsigned int stream)
{
	ssize_t got = PROBE_TRY(pread(fd, buf, FILE_BYTES, 0));
	ssize_t wrong = probe_first_wrong(buf, (size_t)got, 0, stream);

	return (size_t)(wrong < 0 ? got : wrong);
}

static void check_stream(enum expectation what, int fd, unsigned int stream, const char *text)
{
	size_t right = right_bytes(fd, stream);
	char detail[64];

	snprintf(detail, sizeof(detail), "%zu of %d bytes", right, FILE_BYTES);
	check_expected(what, right == FILE_BYTES, text, detail);
}

/* The size has a time-out of its own in some cache modes: told, not judged. */
static void note_growth(int writer)
{
	struct stat st;
	int fd;

	PROBE_TRY(pwrite(writer, "x", 1, FILE_BYTES));
	fd = open_in(share.dir);
	PROBE_TRY(fstat(fd, &st));
	probe_note("%s: a file grown to %d bytes on the other side has %lld after open()",
		   share.label, FILE_BYTES + 1, (long long)st.st_size);
	close(fd);
	PROBE_TRY(ftruncate(writer, FILE_BYTES));
}

static void check_fresh(void)
{
	int writer = open_in(share.writer);
	int fd = open_in(share.dir);

	if (right_bytes(fd, BORN) != FILE_BYTES)
		probe_bail("%s: the file is not the one that was made", share.label);
	close(fd);
	write_all(writer, REWRITTEN);
	fd = open_in(share.dir);
	check_stream(FRESH, fd, REWRITTEN, "bytes written on the other side are seen after open()");
	close(fd);
	note_growth(writer);
	close(writer);
}

static void check_write(void)
{
	int fd = open_in(share.dir);
	int writer;

	write_all(fd, BY_WRITE);
	writer = open_in(share.writer);
	check_stream(WRITE, writer, BY_WRITE, "bytes of write() are seen on the other side");
	close(writer);
	close(fd);
}

static void check_msync(void *map)
{
	int writer;

	probe_fill(map, FILE_BYTES, 0, BY_MSYNC);
	PROBE_TRY(msync(map, FILE_BYTES, MS_SYNC));
	writer = open_in(share.writer);
	check_stream(MSYNC, writer, BY_MSYNC, "bytes of msync() are seen on the other side");
	close(writer);
}

static void check_mmap(void)
{
	int fd = open_in(share.dir);
	void *map = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	check_expected(MMAP, map != MAP_FAILED, "a shared writable mapping is possible",
		       map == MAP_FAILED ? strerror(errno) : "mapped");
	if (map != MAP_FAILED) {
		if (share.writer >= 0)
			check_msync(map);
		munmap(map, FILE_BYTES);
	}
	close(fd);
}

static void remove_file(void)
{
	if (getpid() == share.owner)
		unlinkat(share.dir, share.file, 0);
}

int main(int argc, char **argv)
{
	probe_begin(30);
	parse(argc, argv);
	snprintf(share.file, sizeof(share.file), "probe-share-%d", getpid());
	share.owner = getpid();
	close(mem_file_filled(share.writer >= 0 ? share.writer : share.dir, share.file, FILE_BYTES,
			      BORN));
	atexit(remove_file);
	if (share.writer >= 0) {
		check_fresh();
		check_write();
	} else {
		probe_skip("fresh, write, msync", "no --writer: no way round this mount's cache");
	}
	check_mmap();
	return probe_end("%s: mmap %s, fresh %s, write %s, msync %s", share.label,
			 share.found[MMAP], share.found[FRESH], share.found[WRITE],
			 share.found[MSYNC]);
}
