/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * walk.c - going through a tree of directories that a guest has made
 *
 * Runs in: jobs of hylicsd
 * Reads from: a share, or a copy of one (hostile): names of any bytes, any depth, links anywhere
 */
#include "hylicsd/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/own.h"

#define ENTRIES_BYTES 32768

struct level {
	ino_t ino;
	size_t names;			/* where the names of its own directories begin */
};

struct walk {
	const struct walk_ops *ops;
	void *arg;
	dev_t dev;
	int fd;				/* the directory the walk is in */
	/* a stack of names, each with its NUL and then its length with that, in two bytes */
	char *names;
	size_t top, room;
	struct level *levels;
	size_t depth, level_room;
	_Alignas(struct dirent64) char entries[ENTRIES_BYTES];
};

/* Makes room for @more elements behind @used. */
static void *grow(void *p, size_t used, size_t more, size_t *room, size_t size)
{
	size_t want = *room ? *room : 64;
	void *larger;

	if (used + more <= *room)
		return p;
	while (want < used + more)
		want *= 2;
	larger = reallocarray(p, want, size);
	if (larger)
		*room = want;
	return larger;
}

static int push_name(struct walk *w, const char *name)
{
	uint16_t len = (uint16_t)(strlen(name) + 1);	/* at most 256 */
	char *names = grow(w->names, w->top, len + sizeof(len), &w->room, 1);

	if (!names)
		return -ENOMEM;
	w->names = names;
	memcpy(names + w->top, name, len);
	memcpy(names + w->top + len, &len, sizeof(len));
	w->top += len + sizeof(len);
	return 0;
}

/* The name on top; stays valid until the next push. */
static const char *top_name(const struct walk *w)
{
	uint16_t len;

	memcpy(&len, w->names + w->top - sizeof(len), sizeof(len));
	return w->names + w->top - sizeof(len) - len;
}

static void pop_name(struct walk *w)
{
	w->top = (size_t)(top_name(w) - w->names);
}

static int push_level(struct walk *w, ino_t ino)
{
	struct level *levels = grow(w->levels, w->depth, 1, &w->level_room, sizeof(*levels));

	if (!levels)
		return -ENOMEM;
	w->levels = levels;
	levels[w->depth++] = (struct level){ ino, w->top };
	return 0;
}

static int step_error(int rc, const char *what, struct hy_err *e)
{
	if (rc == -EAGAIN || rc == -ELOOP || rc == -ENOTDIR)
		return hy_err_set(e, EAGAIN, "%s: it changed meanwhile", what);
	return hy_err_set(e, -rc, "%s", what);
}

static int take_entry(struct walk *w, const char *name, struct hy_err *e)
{
	struct stat st = { 0 };
	int rc;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	rc = w->ops->name ? w->ops->name(w->arg, e) : 0;
	if (rc < 0)
		return rc;
	if (fstatat(w->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : step_error(-errno, "look at a file", e);
	if (st.st_dev != w->dev)
		return hy_err_set(e, EXDEV, "another file system is mounted below");
	if (!S_ISDIR(st.st_mode))
		return w->ops->leaf(w->arg, w->fd, name, &st, e);
	rc = push_name(w, name);
	return rc < 0 ? step_error(rc, "remember a directory", e) : 0;
}

/* Does all files of the directory, and remembers its directories. */
static int read_directory(struct walk *w, struct hy_err *e)
{
	for (;;) {
		ssize_t n = getdents64(w->fd, w->entries, sizeof(w->entries));

		if (n <= 0)
			return n < 0 ? step_error(-errno, "read a directory", e) : 0;
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *entry = (struct dirent64 *)(w->entries + at);
			int rc = take_entry(w, entry->d_name, e);

			if (rc < 0)
				return rc;
			at += entry->d_reclen;
		}
	}
}

static int open_directory(struct walk *w, int dir, const char *name, struct stat *st)
{
	hy_autofd fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC |
			      O_NOATIME);

	if (fd < 0 || fstat(fd, st) < 0)
		return -errno;
	return st->st_dev == w->dev ? hy_fd_steal(&fd) : -EXDEV;
}

static int go_down(struct walk *w, struct hy_err *e)
{
	const char *name = top_name(w);
	struct stat st = { 0 };
	hy_autofd fd = open_directory(w, w->fd, name, &st);
	int rc;

	if (fd < 0)
		return step_error(fd, "open a directory", e);
	rc = w->ops->enter ? w->ops->enter(w->arg, w->fd, name, fd, e) : 0;
	if (rc < 0)
		return rc;
	rc = push_level(w, st.st_ino);
	if (rc < 0)
		return step_error(rc, "go down a directory", e);
	close(w->fd);
	w->fd = hy_fd_steal(&fd);
	return read_directory(w, e);
}

static int go_up(struct walk *w, struct hy_err *e)
{
	struct stat st = { 0 };
	hy_autofd above = open_directory(w, w->fd, "..", &st);
	int rc;

	if (above < 0 || st.st_ino != w->levels[w->depth - 2].ino)
		return step_error(above < 0 ? above : -EAGAIN, "go up a directory", e);
	rc = w->ops->leave(w->arg, above, top_name(w), w->fd, e);
	if (rc < 0)
		return rc;
	pop_name(w);
	w->depth--;
	close(w->fd);
	w->fd = hy_fd_steal(&above);
	return 0;
}

static int start(struct walk *w, int root, struct hy_err *e)
{
	struct stat st = { 0 };
	int rc;

	if (fstat(root, &st) < 0)
		return step_error(-errno, "open the tree", e);
	w->dev = st.st_dev;
	w->fd = open_directory(w, root, ".", &st);
	if (w->fd < 0)
		return step_error(w->fd, "open the tree", e);
	rc = push_level(w, st.st_ino);
	return rc < 0 ? step_error(rc, "open the tree", e) : read_directory(w, e);
}

int walk_tree(int root, const struct walk_ops *ops, void *arg, struct hy_err *e)
{
	hy_autofree struct walk *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return hy_err_set(e, ENOMEM, "walk a tree");
	w->ops = ops;
	w->arg = arg;
	w->fd = -1;
	rc = start(w, root, e);
	while (rc == 0 && (w->depth > 1 || w->top > 0))
		rc = w->top > w->levels[w->depth - 1].names ? go_down(w, e) : go_up(w, e);
	hy_fd_close(&w->fd);
	free(w->names);
	free(w->levels);
	return rc;
}
