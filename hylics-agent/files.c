/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * files.c - which file of the share a marker's descriptor is, and what number the host knows it by
 *
 * Runs in: hylics-agent
 * Reads from: descriptors of programs (hostile: of any kind)
 */
#include "hylics-agent/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/own.h"
#include "hylics-agent/agent.h"

static void on_unused(void *object, struct due *d);

int files_share(struct agent *a, int share, uint64_t dev, bool by_inode, struct hy_err *e)
{
	struct files *t = &a->files;
	char link[32];
	ssize_t n = 0;

	if (t->share >= 0)
		t->before_dev = t->share_dev;
	hy_fd_close(&t->share);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", share);
	if (share >= 0)
		n = readlink(link, t->share_path, sizeof(t->share_path) - 1);
	if (n < 0) {
		n = hy_err_set(e, errno, "share: look where it is");
		hy_fd_close(&share);
		return (int)n;
	}
	t->share_path[n] = '\0';
	t->share = share;
	t->share_dev = dev;
	t->by_inode = by_inode;
	return 0;
}

int files_open(struct agent *a, struct hy_err *e)
{
	struct files *t = &a->files;

	*t = (struct files){ .share = -1 };
	t->at = calloc(HY_FILES_MAX, sizeof(*t->at));
	t->bucket = calloc(FILE_BUCKETS, sizeof(*t->bucket));
	t->free = calloc(HY_FILES_MAX, sizeof(*t->free));
	t->unused = (struct due_queue){ .after_ms = HY_FILE_IDLE_MS, .fn = on_unused, .object = a,
					.loop = a->loop };
	due_open(&t->unused);
	if (!t->at || !t->bucket || !t->free)
		return hy_err_set(e, ENOMEM, "table of files");
	return 0;
}

static struct file *of_due(struct due *d)
{
	return (struct file *)((char *)d - offsetof(struct file, unused));
}

static uint32_t *bucket_of(struct files *t, uint64_t inode)
{
	return &t->bucket[(inode * 0x9e3779b97f4a7c15u >> 32) % FILE_BUCKETS];
}

static uint32_t row_of(const struct files *t, const struct file *f)
{
	return (uint32_t)(f - t->at);
}

static void forget(struct files *t, struct file *f)
{
	uint32_t *at = bucket_of(t, f->inode);

	due_cancel(&t->unused, &f->unused);
	while (*at != row_of(t, f) + 1)
		at = &t->at[*at - 1].next;
	*at = f->next;
	hy_fd_close(&f->fd);
	t->free[t->n_free++] = row_of(t, f);
	f->state = FILE_FREE;
}

void files_close(struct agent *a)
{
	struct files *t = &a->files;

	for (uint32_t i = 0; t->at && i < t->top; i++) {
		if (t->at[i].state != FILE_FREE)
			forget(t, &t->at[i]);
	}
	hy_mem_free(&t->at);
	hy_mem_free(&t->bucket);
	hy_mem_free(&t->free);
	hy_fd_close(&t->share);
}

static void on_unused(void *object, struct due *d)
{
	struct agent *a = object;
	struct file *f = of_due(d);

	if (f->state == FILE_ASKED &&
	    chan_send(a->chan, MSG_FILE_CLOSE, f->number, NULL, 0) == -EAGAIN) {
		due_add(&a->files.unused, d);
		return;
	}
	forget(&a->files, f);
}

/* -- what a descriptor is -- */

static struct file *find(struct files *t, uint64_t dev, uint64_t inode)
{
	for (uint32_t at = *bucket_of(t, inode); at; at = t->at[at - 1].next) {
		if (t->at[at - 1].inode == inode && t->at[at - 1].dev == dev)
			return &t->at[at - 1];
	}
	return NULL;
}

static struct file *add(struct files *t, uint64_t dev, uint64_t inode, int fd)
{
	uint32_t *bucket = bucket_of(t, inode);
	struct file *f;

	if (t->n_free)
		f = &t->at[t->free[--t->n_free]];
	else if (t->top < HY_FILES_MAX)
		f = &t->at[t->top++];
	else
		return NULL;
	*f = (struct file){ .dev = dev, .inode = inode, .fd = fd, .state = FILE_UNKNOWN,
			    .next = *bucket };
	*bucket = row_of(t, f) + 1;
	return f;
}

/*
 * A file system in a program's hands (FUSE) answers a plain fstat() when it likes, and a read
 * never. What is cached is told without asking; read from are the share, also one that has gone
 * since the marker was written, and block devices only.
 */
/* syscalls: fcntl(_, F_GETFL), statx */
static int identify(const struct files *t, int fd, uint64_t *dev, uint64_t *inode)
{
	const unsigned int want = STATX_TYPE | STATX_INO;
	int flags = fcntl(fd, F_GETFL);
	struct statx st;

	if (flags < 0 || (flags & O_PATH) || (flags & O_ACCMODE) == O_WRONLY)
		return -EINVAL;
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, want, &st) < 0)
		return -errno;
	*dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	*inode = st.stx_ino;
	if ((st.stx_mask & want) != want || !S_ISREG(st.stx_mode))
		return -EINVAL;
	if (st.stx_dev_major == 0 && *dev != t->share_dev && *dev != t->before_dev)
		return -EINVAL;
	return 0;
}

int file_use(struct agent *a, int fd, struct file **file)
{
	struct files *t = &a->files;
	uint64_t dev = 0, inode = 0;
	struct file *f;
	int rc = identify(t, fd, &dev, &inode);

	*file = NULL;
	if (rc < 0)
		return rc;
	if (t->share < 0 || dev != t->share_dev)
		return 0;
	f = find(t, dev, inode);
	if (f)
		hy_fd_close(&fd);
	else
		f = add(t, dev, inode, fd);
	if (!f)
		return 0;
	due_cancel(&t->unused, &f->unused);
	f->users++;
	*file = f;
	return 0;
}

void file_done(struct agent *a, struct file *file)
{
	if (file && --file->users == 0)
		due_add(&a->files.unused, &file->unused);
}

/* -- what the host is told -- */

/* A deleted or renamed file has a path that leads elsewhere, or nowhere. */
/* syscalls: newfstatat, readlink */
static int path_of(const struct files *t, const struct file *f, struct move_file *m)
{
	char link[32], path[HY_PATH_MAX + 1];
	size_t prefix = strlen(t->share_path);
	struct stat st;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", f->fd);
	n = readlink(link, path, sizeof(path));
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	path[n] = '\0';
	if ((size_t)n <= prefix + 1 || strncmp(path, t->share_path, prefix) != 0 ||
	    path[prefix] != '/')
		return -ENOENT;
	if (fstatat(t->share, path + prefix + 1, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (st.st_dev != f->dev || st.st_ino != f->inode)
		return -ESTALE;
	*m = (struct move_file){ .inode = f->inode, .size = (uint64_t)st.st_size,
				 .mtime_ns = (uint64_t)st.st_mtim.tv_sec * HY_NS_PER_S +
					     (uint64_t)st.st_mtim.tv_nsec,
				 .by_inode = t->by_inode };
	memcpy(m->path, path + prefix + 1, (size_t)n - prefix);
	return 0;
}

static int ask(struct agent *a, struct file *f)
{
	uint8_t packet[MOVE_FILE_MAX];
	struct move_file m;
	uint32_t number = a->files.last_number + 1;
	int n = path_of(&a->files, f, &m);

	if (n == 0)
		n = move_file_encode(&m, packet, sizeof(packet));
	if (n < 0) {
		f->state = FILE_REFUSED;
		return -ENOENT;
	}
	n = chan_send(a->chan, MSG_FILE_OPEN, number, packet, (size_t)n);
	if (n < 0)
		return -EAGAIN;
	a->files.last_number = f->number = number;
	f->state = FILE_ASKED;
	return 0;
}

int file_number(struct agent *a, struct file *file, uint32_t *number)
{
	int rc = 0;

	if (file->state == FILE_UNKNOWN)
		rc = ask(a, file);
	if (rc == 0 && file->state == FILE_REFUSED)
		rc = -ENOENT;
	if (rc == 0)
		*number = file->number;
	return rc;
}

int files_take_opened(struct agent *a, const struct message *msg)
{
	struct files *t = &a->files;
	uint16_t num;

	if (move_opened_decode(msg->payload, msg->len, &num) < 0)
		return -EPROTO;
	for (uint32_t i = 0; num && i < t->top; i++) {
		struct file *f = &t->at[i];

		if (f->state == FILE_ASKED && f->number == msg->id)
			f->state = FILE_REFUSED;
	}
	return 0;
}

void files_void(struct agent *a)
{
	struct files *t = &a->files;

	for (uint32_t i = 0; i < t->top; i++) {
		if (t->at[i].state != FILE_FREE)
			t->at[i].state = FILE_UNKNOWN;
	}
}
