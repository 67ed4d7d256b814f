/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * files.c - the files of the share that are open for the guest
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile): paths, what the file should be
 */
#include "hylics-worker/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/own.h"
#include "hylics-worker/moves.h"

int files_open(struct files *t, int share, struct hy_err *e)
{
	int rc = ids_open(&t->ids, HY_FILES_MAX, e);

	if (rc < 0)
		return rc;
	t->share = share;
	t->at = calloc(HY_FILES_MAX, sizeof(*t->at));
	t->free = calloc(HY_FILES_MAX, sizeof(*t->free));
	if (!t->at || !t->free) {
		files_close(t);
		return hy_err_set(e, ENOMEM, "table of files");
	}
	for (uint32_t i = HY_FILES_MAX; i-- > 0;) {
		t->at[i].fd = -1;
		t->free[t->n_free++] = i;
	}
	return 0;
}

void files_close(struct files *t)
{
	for (uint32_t i = 0; t->at && i < HY_FILES_MAX; i++)
		hy_fd_close(&t->at[i].fd);
	ids_close(&t->ids);
	hy_mem_free(&t->at);
	hy_mem_free(&t->free);
	hy_fd_close(&t->share);
}

/* Beneath the share and nothing else; what waits for somebody to open its other end does not. */
/* syscalls: openat2 */
static int open_beneath(int share, const char *path, unsigned int flags)
{
	struct open_how how = {
		.flags = flags | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
			   RESOLVE_NO_XDEV,
	};
	long fd;

	if (share < 0)
		return -ENOENT;
	fd = syscall(SYS_openat2, share, path, &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

/* Over 9p the guest sees other inodes than we do; size and time tell as much as can be told. */
static bool is_what_the_guest_has(const struct stat *st, const struct move_file *f)
{
	uint64_t mtime_ns = (uint64_t)st->st_mtim.tv_sec * HY_NS_PER_S +
			    (uint64_t)st->st_mtim.tv_nsec;

	if (f->by_inode)
		return st->st_ino == f->inode;
	return (uint64_t)st->st_size == f->size && mtime_ns == f->mtime_ns;
}

/* Return: the descriptor of a regular file; -ELOOP for a link, -EINVAL for another kind */
/* syscalls: fstat, newfstatat */
static int open_regular(int share, const char *path, unsigned int flags, struct stat *st)
{
	hy_autofd fd = open_beneath(share, path, flags);

	if (fd < 0)
		return fd;
	if (fstat(fd, st) < 0)
		return -errno;
	if (!S_ISREG(st->st_mode))
		return S_ISLNK(st->st_mode) ? -ELOOP : -EINVAL;
	return hy_fd_steal(&fd);
}

/*
 * The mere open() of a device or a FIFO does something, so a name is looked at as a path first. A
 * guest that exchanges it just then gets the FIFO opened, without waiting; devices do not work on
 * a share.
 */
static int open_checked(int share, const struct move_file *f)
{
	struct stat st;
	hy_autofd path = open_regular(share, f->path, O_PATH, &st);
	hy_autofd fd = -1;

	if (path < 0)
		return path;
	fd = open_regular(share, f->path, O_RDONLY | O_NONBLOCK | O_NOCTTY, &st);
	if (fd < 0)
		return fd;
	if (!is_what_the_guest_has(&st, f))
		return -ESTALE;
	return hy_fd_steal(&fd);
}

static int open_row(struct moves *m, uint32_t id, const struct move_file *f)
{
	struct files *t = &m->files;
	int fd;

	if (ids_find(&t->ids, id) != IDS_NONE)
		return -EEXIST;
	if (t->n_free == 0)
		return -EMFILE;
	fd = open_checked(t->share, f);
	if (fd < 0)
		return fd;
	t->at[t->free[--t->n_free]] = (struct file){ .fd = fd, .id = id, .named = true };
	ids_add(&t->ids, id, t->free[t->n_free]);
	m->count->files++;
	m->count->files_opened++;
	return 0;
}

int files_take_open(struct moves *m, const struct message *msg)
{
	uint8_t answer[MOVE_OPENED_LEN];
	struct move_file f;
	int rc = move_file_decode(msg->payload, msg->len, &f);

	if (rc < 0)
		return rc;
	rc = open_row(m, msg->id, &f);
	if (rc < 0) {
		m->count->files_refused++;
		hy_log_limited(m->log, &m->rate_files, HY_LOG_INFO, "file '%s' of the share: %s",
			       f.path, strerrordesc_np(-rc));
	}
	move_opened_encode((uint16_t)-rc, answer, sizeof(answer));
	return chan_send(m->chan, MSG_FILE_OPENED, msg->id, answer, sizeof(answer));
}

static void let_go(struct moves *m, uint32_t row)
{
	struct files *t = &m->files;
	struct file *f = &t->at[row];

	if (f->named || f->users)
		return;
	hy_fd_close(&f->fd);
	t->free[t->n_free++] = row;
	m->count->files--;
}

static void unname(struct moves *m, uint32_t row)
{
	m->files.at[row].named = false;
	ids_remove(&m->files.ids, m->files.at[row].id);
	let_go(m, row);
}

int files_take_close(struct moves *m, const struct message *msg)
{
	uint32_t row = ids_find(&m->files.ids, msg->id);

	/* one that could not be opened is closed too */
	if (row != IDS_NONE)
		unname(m, row);
	return 0;
}

void files_void(struct moves *m)
{
	for (uint32_t i = 0; i < HY_FILES_MAX; i++) {
		if (m->files.at[i].fd >= 0 && m->files.at[i].named)
			unname(m, i);
	}
}

uint32_t files_use(struct moves *m, uint32_t id)
{
	uint32_t row = ids_find(&m->files.ids, id);

	if (row == IDS_NONE)
		return FILES_NONE;
	m->files.at[row].users++;
	return row;
}

int files_fd(const struct moves *m, uint32_t row)
{
	return row == FILES_NONE ? -1 : m->files.at[row].fd;
}

void files_done(struct moves *m, uint32_t row)
{
	if (row == FILES_NONE)
		return;
	m->files.at[row].users--;
	let_go(m, row);
}
