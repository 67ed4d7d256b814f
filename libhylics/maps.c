/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * maps.c - which file a piece of memory is a mapping of
 *
 * Runs in: programs in a guest
 * Reads from: /proc/self/maps
 */
#include "libhylics/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/own.h"
#include "libhylics/lib.h"
#include "libhylics/lines.h"

struct wanted {
	uint64_t from, to;
	dev_t dev;
	ino_t ino;		/* found */
	struct maps_place place;
	int fd;
};

/* The file of that inode, if the path still leads there. */
static int open_same(const char *path, dev_t dev, ino_t ino)
{
	hy_autofd fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return st.st_dev == dev && st.st_ino == ino ? hy_fd_steal(&fd) : -ENOENT;
}

/* A number of ours may have been closed by the program, and be something else now. */
static bool is_cached(const struct lib_file *f, dev_t dev, ino_t ino)
{
	struct stat st;

	return f->ino == ino && f->dev == dev && fstat(f->fd, &st) == 0 && st.st_dev == dev &&
	       st.st_ino == ino && (fcntl(f->fd, F_GETFL) & (O_ACCMODE | O_PATH)) == O_RDONLY;
}

/* Keeps the file, unless there is no number left for it. The one before is closed. */
static void remember(struct lib_file *f, int fd, dev_t dev, ino_t ino)
{
	int kept = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (f->ino && is_cached(f, f->dev, f->ino))
		close(f->fd);
	*f = (struct lib_file){ 0 };
	if (kept >= 0)
		*f = (struct lib_file){ .fd = kept, .dev = dev, .ino = ino };
}

static int open_file(const char *path, dev_t dev, ino_t ino)
{
	struct lib_area *a = lib_area();
	struct lib_held held;
	int fd;

	lib_lock(a, &held);
	if (is_cached(&a->mapped, dev, ino)) {
		fd = fcntl(a->mapped.fd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			fd = -errno;
	} else {
		fd = open_same(path, dev, ino);
		if (fd >= 0)
			remember(&a->mapped, fd, dev, ino);
	}
	lib_unlock(a, &held);
	return fd;
}

/* "7f00-7f10 rw-s 00001000 00:2a 17    /hylics/a b"; mappings come in the order of addresses */
static int take_mapping(void *object, char *line)
{
	struct wanted *w = object;
	char *at = line;
	uint64_t from = strtoull(at, &at, 16), to, offset;
	const char *perms;
	unsigned int major, minor;

	to = *at == '-' ? strtoull(at + 1, &at, 16) : 0;
	if (to <= w->from)
		return 0;
	if (from > w->from || to < w->to || strlen(at) < 6)
		return -ENOENT;
	perms = at + 1;
	at += 5;
	offset = strtoull(at, &at, 16);
	major = (unsigned int)strtoul(at, &at, 16);
	minor = *at == ':' ? (unsigned int)strtoul(at + 1, &at, 16) : 0;
	w->ino = strtoull(at, &at, 10);
	at += strspn(at, " ");
	if (perms[3] != 's' || makedev(major, minor) != w->dev || *at != '/')
		return -ENOENT;
	w->place = (struct maps_place){ .offset = (off_t)(offset + (w->from - from)),
					.writable = perms[1] == 'w' };
	w->fd = open_file(at, w->dev, w->ino);
	return w->fd < 0 ? w->fd : 1;
}

int maps_find(const void *buf, size_t len, dev_t dev, struct maps_place *place)
{
	struct wanted w = { .from = (uintptr_t)buf, .to = (uintptr_t)buf + len, .dev = dev };
	int rc;

	if (w.to < w.from)
		return -ENOENT;
	rc = lines_each("/proc/self/maps", take_mapping, &w);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	*place = w.place;
	return w.fd;
}
