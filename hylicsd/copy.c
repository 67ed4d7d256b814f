/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * copy.c - one tree of files copied into an empty directory, with all that belongs to it
 *
 * Runs in: jobs of hylicsd
 * Reads from: a share, or a copy of one (hostile)
 *
 * Attributes are read and set through /proc/self/fd: that works for descriptors of all kinds of
 * files, which fgetxattr() does not, and follows nothing.
 */
#include "hylicsd/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/own.h"
#include "hylicsd/regular.h"
#include "hylicsd/walk.h"

#define DATA_BYTES (256u << 10)
#define SELF_ROOM 32

struct copy {
	int to;				/* the directory that what is found goes into */
	int links;
	const struct content_watch *watch;
	struct content_count *n;
	char data[DATA_BYTES];
};

/* For one file's attributes; large, as the kernel allows 64 KB of each. */
struct attributes {
	char names[XATTR_LIST_MAX];
	char value[XATTR_SIZE_MAX];
};

static const char *self_path(char self[SELF_ROOM], int fd)
{
	snprintf(self, SELF_ROOM, "/proc/self/fd/%d", fd);
	return self;
}

static int tell(const struct copy *c, struct hy_err *e)
{
	if (c->watch->progress && c->watch->progress(c->watch->arg, CONTENT_COPY, c->n) != 0)
		return hy_err_set(e, ECANCELED, "copy content");
	return 0;
}

static int fail(int rc, const char *what, struct hy_err *e)
{
	return hy_err_set(e, -rc, "copy content: %s", what);
}

static bool is_wanted(const char *attribute)
{
	return strncmp(attribute, "security.", 9) != 0 ||
	       strcmp(attribute, "security.capability") == 0;
}

/* The target has its own limits for attributes, or has none at all. */
static bool is_refusal(int num)
{
	return num == EOPNOTSUPP || num == E2BIG || num == ENOSPC || num == ERANGE ||
	       num == EPERM || num == EINVAL;
}

static int copy_attribute(const char *from, const char *to, const char *name,
			  struct attributes *a, struct content_count *n)
{
	ssize_t len = getxattr(from, name, a->value, sizeof(a->value));

	if (len < 0)
		return errno == ENODATA ? 0 : -errno;
	if (setxattr(to, name, a->value, (size_t)len, 0) == 0)
		return 0;
	if (!is_refusal(errno))
		return -errno;
	n->lost_attributes++;
	return 0;
}

static int copy_attributes(int from_fd, int to_fd, struct content_count *n)
{
	char from[SELF_ROOM], to[SELF_ROOM];
	hy_autofree struct attributes *a = NULL;
	ssize_t len = listxattr(self_path(from, from_fd), NULL, 0);
	int rc = 0;

	if (len <= 0)
		return len == 0 || errno == EOPNOTSUPP ? 0 : -errno;
	a = malloc(sizeof(*a));
	if (!a)
		return -ENOMEM;
	len = listxattr(from, a->names, sizeof(a->names));
	if (len < 0)
		return -errno;
	self_path(to, to_fd);
	for (ssize_t at = 0; at < len && rc == 0; at += (ssize_t)strlen(a->names + at) + 1)
		if (is_wanted(a->names + at))
			rc = copy_attribute(from, to, a->names + at, a, n);
	return rc;
}

/* In this order: chown() takes set-user-id bits and capabilities away, all of it sets times. */
static int copy_meta(int from, const struct stat *st, int to, struct content_count *n)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	char self[SELF_ROOM];
	int rc;

	if (fchownat(to, "", st->st_uid, st->st_gid, AT_EMPTY_PATH) < 0)
		return -errno;
	if (!S_ISLNK(st->st_mode) && chmod(self_path(self, to), st->st_mode & 07777) < 0)
		return -errno;
	rc = copy_attributes(from, to, n);
	if (rc < 0)
		return rc;
	return utimensat(to, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

int copy_owner(int from, int to, struct content_count *n, struct hy_err *e)
{
	struct stat st;
	int rc = fstat(from, &st) < 0 ? -errno : copy_meta(from, &st, to, n);

	return rc < 0 ? fail(rc, "owner, mode and attributes of a directory", e) : 0;
}

/* Returns 0, or -errno of the write; a file that was cut meanwhile ends where it ends. */
static int copy_range(struct copy *c, int from, int to, off_t at, off_t end, struct hy_err *e)
{
	while (at < end) {
		size_t want = end - at < DATA_BYTES ? (size_t)(end - at) : DATA_BYTES;
		ssize_t got = pread(from, c->data, want, at);
		ssize_t done = 0;

		if (got <= 0)
			return got < 0 ? fail(-errno, "read a file", e) : 0;
		while (done < got) {
			ssize_t n = pwrite(to, c->data + done, (size_t)(got - done), at + done);

			if (n <= 0)
				return fail(n < 0 ? -errno : -ENOSPC, "write a file", e);
			done += n;
		}
		at += got;
		c->n->bytes += (uint64_t)got;
		if (tell(c, e) < 0)
			return -ECANCELED;
	}
	return 0;
}

/* Goes from data to data; what is between stays a hole. */
static int copy_data(struct copy *c, int from, int to, off_t size, struct hy_err *e)
{
	off_t end = 0;
	int rc = 0;

	/* the size first: one that the file system does not allow shows before any work */
	if (ftruncate(to, size) < 0)
		return fail(-errno, "give a file its size", e);
	while (rc == 0 && end < size) {
		off_t start = lseek(from, end, SEEK_DATA);

		if (start >= 0)
			end = lseek(from, start, SEEK_HOLE);
		if (start < 0 || end < 0)
			return errno == ENXIO ? 0 : fail(-errno, "look for data", e);
		rc = copy_range(c, from, to, start, end < size ? end : size, e);
	}
	return rc;
}

static int copy_regular(struct copy *c, int path, const char *name, struct hy_err *e)
{
	struct stat st;
	hy_autofd from = regular_open(path, O_RDONLY | O_NOATIME, &st);
	hy_autofd to = -1;
	int rc;

	if (from < 0)
		return fail(from, "open a file", e);
	to = openat(c->to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return fail(-errno, "make a file", e);
	rc = copy_data(c, from, to, st.st_size, e);
	if (rc != -EFBIG)
		return rc;
	unlinkat(c->to, name, 0);
	return rc;
}

static int copy_symlink(const struct copy *c, int path, const char *name, struct hy_err *e)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(path, "", target, sizeof(target) - 1);

	if (len < 0)
		return fail(-errno, "read a symlink", e);
	target[len] = '\0';
	return symlinkat(target, c->to, name) < 0 ? fail(-errno, "make a symlink", e) : 0;
}

/* Returns 0, -EFBIG for what is to be left out, another -errno to give up. */
static int copy_by_kind(struct copy *c, int path, const char *name, const struct stat *st,
			struct hy_err *e)
{
	mode_t kind = st->st_mode & S_IFMT;

	if (kind == S_IFREG)
		return copy_regular(c, path, name, e);
	if (kind == S_IFLNK)
		return copy_symlink(c, path, name, e);
	if (kind == S_IFIFO || kind == S_IFSOCK ||
	    (kind == S_IFCHR && st->st_rdev == makedev(0, 0)))
		return mknodat(c->to, name, kind | 0600, 0) < 0 ?
			fail(-errno, "make a FIFO or socket", e) : 0;
	return -EFBIG;
}

static const char *link_name(char text[SELF_ROOM], const struct stat *st)
{
	snprintf(text, SELF_ROOM, "%llx", (unsigned long long)st->st_ino);
	return text;
}

/*
 * Returns 1 if the file was there before under another name, 0 if it has to be copied. A file
 * system that allows no more links to one file gets another copy.
 */
static int link_again(const struct copy *c, const char *name, const struct stat *st,
		      struct hy_err *e)
{
	char link[SELF_ROOM];

	if (st->st_nlink < 2)
		return 0;
	if (linkat(c->links, link_name(link, st), c->to, name, 0) == 0)
		return 1;
	if (errno == EMLINK)
		return unlinkat(c->links, link, 0) < 0 ? fail(-errno, "start links anew", e) : 0;
	return errno == ENOENT ? 0 : fail(-errno, "make a hard link", e);
}

static int remember_link(const struct copy *c, const char *name, const struct stat *st,
			 struct hy_err *e)
{
	char link[SELF_ROOM];

	if (st->st_nlink < 2 || linkat(c->to, name, c->links, link_name(link, st), 0) == 0)
		return 0;
	return fail(-errno, "remember a hard link", e);
}

static int copy_file(struct copy *c, int path, const char *name, const struct stat *st,
		     struct hy_err *e)
{
	hy_autofd to = -1;
	int rc = copy_by_kind(c, path, name, st, e);

	if (rc == -EFBIG) {
		c->n->left_out++;
		return 0;
	}
	if (rc < 0)
		return rc;
	to = openat(c->to, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	rc = to < 0 ? -errno : copy_meta(path, st, to, c->n);
	if (rc < 0)
		return fail(rc, "owner, mode and attributes of a file", e);
	c->n->files++;
	return remember_link(c, name, st, e);
}

static int take_leaf(void *arg, int dir, const char *name, const struct stat *seen,
		     struct hy_err *e)
{
	struct copy *c = arg;
	hy_autofd path = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int rc;

	if (path < 0 && errno == ENOENT)
		return 0;
	if (path < 0 || fstat(path, &st) < 0)
		return fail(-errno, "open a file as a path", e);
	if (S_ISDIR(st.st_mode) || st.st_dev != seen->st_dev)
		return fail(-EAGAIN, "a file became something else meanwhile", e);
	rc = link_again(c, name, &st, e);
	if (rc == 0)
		rc = copy_file(c, path, name, &st, e);
	else if (rc == 1)
		c->n->files++;
	return rc < 0 ? rc : tell(c, e);
}

static int go_to(struct copy *c, const char *name, struct hy_err *e)
{
	int fd = openat(c->to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return fail(-errno, "open a directory that was made", e);
	close(c->to);
	c->to = fd;
	return 0;
}

static int enter(void *arg, int dir, const char *name, int fd, struct hy_err *e)
{
	struct copy *c = arg;

	(void)dir;
	(void)fd;
	if (mkdirat(c->to, name, 0700) < 0)
		return fail(-errno, "make a directory", e);
	return go_to(c, name, e);
}

/* Last of all, as what is made in a directory changes its times. */
static int leave(void *arg, int dir, const char *name, int fd, struct hy_err *e)
{
	struct copy *c = arg;
	int rc = copy_owner(fd, c->to, c->n, e);

	(void)dir;
	(void)name;
	if (rc == 0)
		rc = go_to(c, "..", e);
	if (rc < 0)
		return rc;
	c->n->files++;
	return tell(c, e);
}

int copy_tree(int from, int to, int links, const struct content_watch *watch,
	      struct content_count *n, struct hy_err *e)
{
	const struct walk_ops ops = { NULL, take_leaf, enter, leave };
	hy_autofree struct copy *c = malloc(sizeof(*c));
	int rc;

	if (!c)
		return fail(-ENOMEM, "its buffers", e);
	c->links = links;
	c->watch = watch;
	c->n = n;
	c->to = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->to < 0)
		return fail(-errno, "open the target", e);
	rc = walk_tree(from, &ops, c, e);
	hy_fd_close(&c->to);
	return rc;
}
