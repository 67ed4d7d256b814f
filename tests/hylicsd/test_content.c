/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_content.c - what a guest may have made is saved and loaded as it was, or said to be left out
 *
 * Runs in: a mount namespace of its own, as root
 * Reads from: no untrusted input
 *
 * Trees are compared by a sum over all names, kinds, owners, modes, times, attributes, link counts
 * and bytes; random ones are made of a seed that is printed.
 */
#include "tests/probes/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/own.h"
#include "hylicsd/content.h"
#include "hylicsd/share.h"
#include "hylicsd/walk.h"
#include "tests/hylicsd/ground.h"
#include "tests/unit/prng.h"

#define KEEP "/mnt/keep"
#define FRESH "/mnt/.keep.hylics-new"
#define SIZE ((uint64_t)256 << 20)
#define INODES 400000
#define DEEP 3000			/* more than a path may be long */
#define MANY 20000
#define ROUNDS 25
#define RANDOM_FILES 120

static const struct content_watch no_watch;

/* A share that is new each time; @w.dir is what it is mounted in. */
struct world {
	int dir;
	int share;
};

static void renew(struct world *w)
{
	struct hy_err e = { 0 };

	hy_fd_close(&w->share);
	ground_try(share_unmake(w->dir, "share", true, &e), &e);
	ground_try(share_make(w->dir, "share", SIZE, INODES, &e), &e);
	w->share = (int)PROBE_TRY(openat(w->dir, "share", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static uint64_t mix(uint64_t sum, const void *data, size_t len)
{
	const unsigned char *byte = data;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ byte[i]) * UINT64_C(1099511628211);
	return sum;
}

/* Entries are added up, so that their order does not matter. */
struct sum {
	uint64_t total, path;
	uint64_t blocks;
};

static uint64_t sum_attributes(uint64_t sum, int path)
{
	char self[64], names[4096], value[4096];
	uint64_t all = 0;
	ssize_t len;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", path);
	len = listxattr(self, names, sizeof(names));
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
		ssize_t n = getxattr(self, names + at, value, sizeof(value));

		all += mix(mix(1, names + at, strlen(names + at)), value, n < 0 ? 0 : (size_t)n);
	}
	return mix(sum, &all, sizeof(all));
}

static uint64_t sum_data(uint64_t sum, int path, const struct stat *st)
{
	static char data[65536];
	char self[64];
	hy_autofd fd = -1;
	ssize_t n;

	if (S_ISLNK(st->st_mode)) {
		n = readlinkat(path, "", data, sizeof(data));
		return mix(sum, data, n < 0 ? 0 : (size_t)n);
	}
	if (!S_ISREG(st->st_mode))
		return sum;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", path);
	fd = (int)PROBE_TRY(open(self, O_RDONLY | O_NOATIME | O_CLOEXEC));
	/* of a file that is mostly a hole only its begin; check_holes() looks for the rest */
	while ((n = read(fd, data, sizeof(data))) > 0 && lseek(fd, 0, SEEK_CUR) < 8 << 20)
		sum = mix(sum, data, (size_t)n);
	return sum;
}

static void sum_entry(struct sum *s, int dir, const char *name, uint64_t under)
{
	hy_autofd path = (int)PROBE_TRY(openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
	uint64_t sum = mix(under, name, strlen(name));
	struct stat st;

	PROBE_TRY(fstat(path, &st));
	sum = mix(sum, &st.st_mode, sizeof(st.st_mode));
	sum = mix(sum, &st.st_uid, sizeof(st.st_uid));
	sum = mix(sum, &st.st_gid, sizeof(st.st_gid));
	/* to look at a symlink is to read it, which the kernel notes */
	if (!S_ISLNK(st.st_mode))
		sum = mix(sum, &st.st_atim, sizeof(st.st_atim));
	sum = mix(sum, &st.st_mtim, sizeof(st.st_mtim));
	if (!S_ISDIR(st.st_mode)) {
		sum = mix(sum, &st.st_nlink, sizeof(st.st_nlink));
		sum = mix(sum, &st.st_size, sizeof(st.st_size));
		s->blocks += (uint64_t)st.st_blocks;
	}
	s->total += sum_data(sum_attributes(sum, path), path, &st);
}

static int sum_leaf(void *arg, int dir, const char *name, const struct stat *st, struct hy_err *e)
{
	struct sum *s = arg;

	(void)st;
	(void)e;
	sum_entry(s, dir, name, s->path);
	return 0;
}

static int sum_enter(void *arg, int dir, const char *name, int fd, struct hy_err *e)
{
	struct sum *s = arg;

	(void)fd;
	(void)e;
	sum_entry(s, dir, name, s->path);
	s->path = s->path * 31 + mix(7, name, strlen(name));
	return 0;
}

static int sum_leave(void *arg, int dir, const char *name, int fd, struct hy_err *e)
{
	struct sum *s = arg;

	(void)dir;
	(void)fd;
	(void)e;
	s->path = (s->path - mix(7, name, strlen(name))) * UINT64_C(0xef7bdef7bdef7bdf);
	return 0;
}

static struct sum sum_tree(int root)
{
	static const struct walk_ops ops = { NULL, sum_leaf, sum_enter, sum_leave };
	struct sum s = { .path = 1 };
	struct hy_err e = { 0 };

	sum_entry(&s, root, ".", 0);
	ground_try(walk_tree(root, &ops, &s, &e), &e);
	return s;
}

/* Saves, loads into a new share, and compares. */
static bool round_trip(struct world *w, struct content_count *n)
{
	struct sum before = sum_tree(w->share);
	struct content_count loaded;
	struct hy_err e = { 0 };
	struct sum after;

	ground_try(content_save(w->share, KEEP, &no_watch, n, &e), &e);
	renew(w);
	ground_try(content_load(w->share, KEEP, &no_watch, &loaded, &e), &e);
	after = sum_tree(w->share);
	if (before.total != after.total)
		probe_note("sums %" PRIx64 " and %" PRIx64, before.total, after.total);
	return before.total == after.total && before.blocks == after.blocks &&
	       loaded.files == n->files && loaded.bytes == n->bytes && loaded.left_out == 0;
}

static void set_times(int dir, const char *name, uint32_t *seed)
{
	struct timespec times[2];

	for (int i = 0; i < 2; i++) {
		times[i].tv_sec = prng_next(seed);
		times[i].tv_nsec = prng_below(seed, 1000000000);
	}
	PROBE_TRY(utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW));
}

static void check_kinds(struct world *w)
{
	static const char *const names[] = { "new\nline", "-rf", "\xff\xfe\x80", " ", "a*b?", "...",
		"hylics-links-0", "hylics-content" };
	struct content_count n;
	uint32_t seed = 5;
	int fd = w->share;
	struct stat st;
	bool same;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		PROBE_TRY(ground_write(fd, names[i], i * 1000, (unsigned int)i));
	PROBE_TRY(fchmodat(fd, "-rf", 06755, 0));
	PROBE_TRY(symlinkat("/etc/shadow", fd, "link"));
	PROBE_TRY(symlinkat("../../..", fd, "up"));
	PROBE_TRY(mkfifoat(fd, "fifo", 0640));
	PROBE_TRY(mknodat(fd, "socket", S_IFSOCK | 0600, 0));
	PROBE_TRY(mknodat(fd, "whiteout", S_IFCHR, makedev(0, 0)));
	PROBE_TRY(mkdirat(fd, "closed", 0));
	PROBE_TRY(linkat(fd, "link", fd, "closed/link2", 0));
	PROBE_TRY(linkat(fd, "fifo", fd, "closed/fifo2", 0));
	PROBE_TRY(linkat(fd, "-rf", fd, "closed/rf2", 0));
	PROBE_TRY(fchownat(fd, "link", 1234, 4321, AT_SYMLINK_NOFOLLOW));
	PROBE_TRY(fchownat(fd, "fifo", 77777, 88888, 0));
	PROBE_TRY(fchown(fd, 1000, 1000));
	PROBE_TRY(fchmod(fd, 01777));
	PROBE_TRY(setxattr("/mnt/share/closed", "trusted.some", "v\0w", 3, 0));
	set_times(fd, "link", &seed);
	set_times(fd, "closed", &seed);
	set_times(fd, ".", &seed);
	same = round_trip(w, &n);
	probe_check(same && n.left_out == 0 && n.lost_attributes == 0,
		    "kinds: %" PRIu64 " files of all kinds and odd names come back", n.files);
	PROBE_TRY(fstatat(w->share, "-rf", &st, 0));
	probe_check((st.st_mode & 07777) == 06755 && st.st_nlink == 2, "kinds: mode and links");
	PROBE_TRY(fstatat(w->share, "link", &st, AT_SYMLINK_NOFOLLOW));
	probe_check(S_ISLNK(st.st_mode) && st.st_nlink == 2 && st.st_uid == 1234,
		    "kinds: a symlink is no more than one, its links and owner as well");
	PROBE_TRY(stat(KEEP, &st));
	probe_check((st.st_mode & 07777) == 0700 && st.st_uid == 0,
		    "kinds: no host user comes near what the guest made set-user-id");
}

static void check_devices(struct world *w)
{
	struct content_count n;
	struct hy_err e = { 0 };

	PROBE_TRY(mknodat(w->share, "disk", S_IFBLK | 0666, makedev(254, 0)));
	PROBE_TRY(mknodat(w->share, "mem", S_IFCHR | 0666, makedev(1, 1)));
	PROBE_TRY(ground_write(w->share, "plain", 10, 1));
	ground_try(content_save(w->share, KEEP, &no_watch, &n, &e), &e);
	probe_check(n.left_out == 2 && n.files == 1 && access(KEEP "/tree/plain", F_OK) == 0 &&
		    access(KEEP "/tree/disk", F_OK) < 0, "devices: left out and counted");
}

static void check_holes(struct world *w)
{
	struct content_count n;
	hy_autofd fd = -1;
	bool same;

	fd = (int)PROBE_TRY(openat(w->share, "sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	PROBE_TRY(pwrite(fd, "a", 1, 0));
	PROBE_TRY(pwrite(fd, "b", 1, (off_t)5 << 30));
	PROBE_TRY(ftruncate(fd, (off_t)1 << 40));
	PROBE_TRY(mknodat(w->share, "empty", S_IFREG | 0600, 0));
	PROBE_TRY(mknodat(w->share, "hole", S_IFREG | 0600, 0));
	PROBE_TRY(truncate("/mnt/share/hole", 12345));
	hy_fd_close(&fd);
	same = round_trip(w, &n);
	fd = (int)PROBE_TRY(openat(w->share, "sparse", O_RDONLY | O_CLOEXEC));
	probe_check(same && n.bytes == 2 * 4096 && lseek(fd, 1 << 20, SEEK_DATA) == (off_t)5 << 30,
		    "holes: of a terabyte %" PRIu64 " bytes are copied", n.bytes);
}

/* Deeper than any path, and than any recursion or number of descriptors would go. */
static void check_deep(struct world *w)
{
	char name[256];
	struct content_count n;
	int fd = (int)PROBE_TRY(dup(w->share));

	memset(name, 'd', 255);
	name[255] = '\0';
	for (int i = 0; i < DEEP; i++) {
		int below;

		PROBE_TRY(mkdirat(fd, name, 0700));
		below = (int)PROBE_TRY(openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		close(fd);
		fd = below;
	}
	PROBE_TRY(ground_write(fd, "deepest", 100, 9));
	close(fd);
	probe_check(round_trip(w, &n) && n.files == DEEP + 1, "deep: %d directories in each other",
		    DEEP);
}

static void check_many(struct world *w)
{
	struct content_count n;
	char name[32];
	bool same;

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		PROBE_TRY(mknodat(w->share, name, S_IFREG | 0600, 0));
	}
	PROBE_TRY(mkdirat(w->share, "dirs", 0700));
	for (int i = 0; i < MANY / 10; i++) {
		snprintf(name, sizeof(name), "dirs/d%d", i);
		PROBE_TRY(mkdirat(w->share, name, 0700));
	}
	same = round_trip(w, &n);
	probe_check(same && n.files == MANY + MANY / 10 + 1,
		    "many: %" PRIu64 " files and directories", n.files);
}

static void random_name(char *name, uint32_t *seed)
{
	size_t len = 1 + prng_below(seed, prng_below(seed, 8) ? 12 : 255);

	prng_fill(seed, (uint8_t *)name, len);
	for (size_t i = 0; i < len; i++)
		if (name[i] == '\0' || name[i] == '/' || (len < 3 && name[i] == '.'))
			name[i] = 'x';
	name[len] = '\0';
}

static void random_file(int dir, const char *name, uint32_t *seed)
{
	hy_autofd fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	uint8_t bytes[5000];

	if (fd < 0)
		return;
	for (uint32_t i = prng_below(seed, 4); i > 0; i--) {
		prng_fill(seed, bytes, sizeof(bytes));
		PROBE_TRY(pwrite(fd, bytes, 1 + prng_below(seed, sizeof(bytes) - 1),
				 prng_below(seed, 1 << 19)));
	}
	if (prng_below(seed, 3) == 0)
		PROBE_TRY(ftruncate(fd, prng_below(seed, 1 << 20)));
	for (uint32_t i = prng_below(seed, 3); i > 0; i--) {
		snprintf((char *)bytes, sizeof(bytes), "trusted.x%u", i);
		PROBE_TRY(fsetxattr(fd, (char *)bytes, bytes + 100, prng_below(seed, 900), 0));
	}
}

/* One step of making a tree: something new in a directory made before, or another link. */
static void random_step(int share, char (*dirs)[32], uint32_t *n_dirs, uint32_t *seed)
{
	hy_autofd dir = (int)PROBE_TRY(openat(share, dirs[prng_below(seed, *n_dirs)],
					      O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	static char name[256], last[256];
	static char last_dir[32];
	uint32_t kind = prng_below(seed, 10);
	char above[32];
	int done = 0;

	random_name(name, seed);
	/* what is there already stays */
	if (kind == 0)
		done = symlinkat(name, dir, "s");
	else if (kind == 1)
		done = mknodat(dir, name, (prng_below(seed, 2) ? S_IFIFO : S_IFSOCK) | 0600,
			       0);
	else if (kind == 2) {
		hy_autofd from = openat(share, last_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		/* whatever was there under that name in this tree, or nothing */
		done = linkat(from, last, dir, name, 0);
	} else if (kind == 3) {
		snprintf(above, sizeof(above), "%s", dirs[prng_below(seed, *n_dirs)]);
		snprintf(dirs[*n_dirs], 32, "%.20s/%u", above, *n_dirs);
		if (mkdirat(share, dirs[*n_dirs], 0700) == 0)
			++*n_dirs;
	} else {
		random_file(dir, name, seed);
		memcpy(last, name, sizeof(last));
		snprintf(last_dir, sizeof(last_dir), "%s", dirs[0]);
	}
	if (done == 0 && kind > 0 && kind != 3) {
		PROBE_TRY(fchownat(dir, name, prng_below(seed, 1 << 20), prng_below(seed, 1 << 20),
				   AT_SYMLINK_NOFOLLOW));
		PROBE_TRY(fchmodat(dir, name, prng_below(seed, 07777), 0));
	}
}

static int stamp_leaf(void *arg, int dir, const char *name, const struct stat *st,
		      struct hy_err *e)
{
	(void)st;
	(void)e;
	set_times(dir, name, arg);
	return 0;
}

static int stamp_leave(void *arg, int dir, const char *name, int fd, struct hy_err *e)
{
	(void)fd;
	(void)e;
	set_times(dir, name, arg);
	return 0;
}

static void check_random(struct world *w)
{
	static const struct walk_ops stamp = { .leaf = stamp_leaf, .leave = stamp_leave };
	static char dirs[RANDOM_FILES + 1][32];
	struct content_count n;
	struct hy_err e = { 0 };
	uint64_t files = 0;
	int right = 0;

	for (uint32_t round = 1; round <= ROUNDS; round++) {
		uint32_t seed = round * 7919, n_dirs = 1;

		renew(w);
		strcpy(dirs[0], ".");
		for (int i = 0; i < RANDOM_FILES; i++)
			random_step(w->share, dirs, &n_dirs, &seed);
		ground_try(walk_tree(w->share, &stamp, &seed, &e), &e);
		if (round_trip(w, &n))
			right++;
		else
			probe_note("round %u differs", round);
		files += n.files;
	}
	probe_check(right == ROUNDS, "random: %d trees of %" PRIu64 " files come back", right,
		    files);
}

struct crash {
	uint64_t at;			/* the how manieth call ends the process */
	uint64_t calls;
};

static int crash(void *arg, enum content_step step, const struct content_count *n)
{
	struct crash *c = arg;

	(void)step;
	(void)n;
	if (++c->calls == c->at)
		_exit(3);
	return 0;
}

/* What DIR holds: the old content, the new one, or neither. */
static char which(void)
{
	bool old = access(KEEP "/tree/old", F_OK) == 0;
	bool new = access(KEEP "/tree/new9", F_OK) == 0;

	if (old == new)
		return '?';
	return old ? 'o' : 'n';
}

static void check_crashes(struct world *w)
{
	struct content_count n;
	struct hy_err e = { 0 };
	unsigned int olds = 0, news = 0, bad = 0;
	int code = 3;

	for (uint64_t at = 1; code == 3; at++) {
		struct crash c = { .at = at };
		const struct content_watch watch = { crash, &c };
		char name[8];
		pid_t pid;

		renew(w);
		PROBE_TRY(mknodat(w->share, "old", S_IFREG | 0600, 0));
		ground_try(content_save(w->share, KEEP, &no_watch, &n, &e), &e);
		bad += access(FRESH, F_OK) == 0;
		PROBE_TRY(unlinkat(w->share, "old", 0));
		for (int i = 0; i < 10; i++) {
			snprintf(name, sizeof(name), "new%d", i);
			PROBE_TRY(ground_write(w->share, name, 300000, 1));
		}
		PROBE_TRY(linkat(w->share, "new1", w->share, "again", 0));
		pid = probe_fork();
		if (pid == 0)
			_exit(content_save(w->share, KEEP, &watch, &n, &e) < 0 ? 1 : 0);
		code = probe_join(pid);
		olds += which() == 'o';
		news += which() == 'n';
		bad += which() == '?' || code == 1;
	}
	probe_check(bad == 0 && news == 2 && olds > 20,
		    "crashes: killed at %u points, the old content was whole %u times, the new one "
		    "%u times", olds + news, olds, news);
	ground_try(content_save(w->share, KEEP, &no_watch, &n, &e), &e);
	probe_check(access(FRESH, F_OK) < 0, "crashes: the next save leaves nothing beside it");
}

static int give_up(void *arg, enum content_step step, const struct content_count *n)
{
	(void)arg;
	(void)step;
	return n->files == 5;
}

static void check_foreign(struct world *w)
{
	const struct content_watch watch = { give_up, NULL };
	struct content_count n;
	struct hy_err e = { 0 };
	char before = which();

	probe_check(content_save(w->share, KEEP, &watch, &n, &e) == -ECANCELED &&
		    which() == before && access(FRESH, F_OK) < 0, "given up: nothing has changed");
	probe_check(content_load(w->share, KEEP, &no_watch, &n, &e) == -ENOTEMPTY,
		    "load: only into an empty share");
	PROBE_TRY(mkdirat(w->dir, "theirs", 0755));
	PROBE_TRY(mkdirat(w->dir, "theirs/some", 0755));
	probe_check(content_save(w->share, "/mnt/theirs", &no_watch, &n, &e) == -EEXIST &&
		    access("/mnt/theirs/some", F_OK) == 0, "foreign: %s", e.text);
	PROBE_TRY(rename("/mnt/theirs", FRESH));
	probe_check(content_save(w->share, KEEP, &no_watch, &n, &e) == -EEXIST &&
		    access(FRESH "/some", F_OK) == 0, "foreign: %s", e.text);
	PROBE_TRY(rmdir(FRESH "/some"));
	PROBE_TRY(rmdir(FRESH));
	renew(w);
	probe_check(content_load(w->share, "/mnt/none", &no_watch, &n, &e) == 0 && n.files == 0,
		    "load: nothing where there is none");
	PROBE_TRY(mkdirat(w->dir, "hollow", 0755));
	probe_check(content_load(w->share, "/mnt/hollow", &no_watch, &n, &e) == 0 &&
		    content_save(w->share, "/mnt/hollow", &no_watch, &n, &e) == 0 &&
		    access("/mnt/hollow/tree", F_OK) == 0, "foreign: an empty one is taken");
	probe_check(content_save(w->share, "keep", &no_watch, &n, &e) == -EINVAL &&
		    content_save(w->share, "/mnt/keep/", &no_watch, &n, &e) == -EINVAL &&
		    content_save(w->share, "/no/such/dir", &no_watch, &n, &e) == -ENOENT,
		    "paths: absolute, in a directory that is there");
}

/* Moves the directory the walk is in, or puts a symlink in the place of one it will go to. */
static int disturb(void *arg, enum content_step step, const struct content_count *n)
{
	const char *const *to = arg;

	if (step == CONTENT_COPY && n->files == 1) {
		PROBE_TRY(rename(to[0], to[1]));
		if (to[2])
			PROBE_TRY(symlink(to[2], to[0]));
	}
	return 0;
}

static void check_moved(struct world *w)
{
	const char *move[] = { "/mnt/share/a/b", "/mnt/share/c/b", NULL };
	const char *swap[] = { "/mnt/share/a/b", "/mnt/share/c/b", "/etc" };
	const struct content_watch moves = { disturb, move };
	const struct content_watch swaps = { disturb, swap };
	struct content_count n;
	struct hy_err e = { 0 };

	PROBE_TRY(mkdirat(w->share, "a", 0755));
	PROBE_TRY(mkdirat(w->share, "c", 0755));
	PROBE_TRY(mkdirat(w->share, "a/b", 0755));
	PROBE_TRY(ground_write(w->share, "a/b/first", 10, 1));
	probe_check(content_save(w->share, KEEP, &moves, &n, &e) == -EAGAIN,
		    "moved: the directory it is in: %s", e.text);
	PROBE_TRY(rename("/mnt/share/c/b", "/mnt/share/a/b"));
	PROBE_TRY(unlinkat(w->share, "a/b/first", 0));
	PROBE_TRY(unlinkat(w->share, "a/b", AT_REMOVEDIR));
	PROBE_TRY(ground_write(w->share, "a/first", 10, 1));
	/* tmpfs names the younger one first: it is remembered when the file is copied */
	PROBE_TRY(mkdirat(w->share, "a/b", 0755));
	probe_check(content_save(w->share, KEEP, &swaps, &n, &e) == -EAGAIN &&
		    strstr(e.text, "open a directory"),
		    "moved: a symlink in the place of a directory: %s", e.text);
}

static void check_room(struct world *w)
{
	struct content_count n;
	struct hy_err e = { 0 };

	PROBE_TRY(ground_write(w->share, "large", 4 << 20, 1));
	ground_try(content_save(w->share, KEEP, &no_watch, &n, &e), &e);
	renew(w);
	ground_try(share_resize(w->dir, "share", 1 << 20, INODES, &e), &e);
	probe_check(content_load(w->share, KEEP, &no_watch, &n, &e) == -ENOSPC,
		    "room: a share that is too small is said to be: %s", e.text);
}

int main(void)
{
	struct world w = { .share = -1 };
	static void (*const checks[])(struct world *w) = { check_kinds, check_devices, check_holes,
		check_deep, check_many, check_random, check_moved, check_crashes, check_foreign,
		check_room };

	probe_begin(170);
	w.dir = ground_make();
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		if (checks[i] != check_foreign)
			renew(&w);
		checks[i](&w);
	}
	return probe_end("content comes back as it was, and DIR is always a whole one");
}
