/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * share.c - where the guest has its share: what is there now, and that it has changed
 *
 * Runs in: hylics-agent (agent; the functions without an agent in the holder, too)
 * Reads from: the kernel's mount table; the share's root
 */
#include "hylics-agent/share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/own.h"
#include "hylics-agent/agent.h"

#define TABLE "/proc/self/mountinfo"
/* linux/stat.h has it, and cannot be included beside sys/stat.h */
#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000u
#endif

/* Without AT_STATX_DONT_SYNC a host that is gone would keep us waiting. */
static int look_at(int dir, const char *path, int flags, unsigned int want, struct statx *st)
{
	return statx(dir, path, flags | AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, want, st);
}

static uint64_t dev_of(const struct statx *st)
{
	return makedev(st->stx_dev_major, st->stx_dev_minor);
}

/* Before Linux 5.8 a mount of the same file system elsewhere looks like a directory of it. */
static bool is_other_device(int dir, const char *path, const struct statx *st)
{
	char parent[HY_PATH_MAX + 4];
	struct statx above;

	snprintf(parent, sizeof(parent), "%s/..", path);
	return look_at(dir, parent, 0, 0, &above) == 0 && dev_of(&above) != dev_of(st);
}

bool share_is_mount(int dir, const char *path)
{
	struct statx st;

	if (look_at(dir, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &st) < 0 || S_ISLNK(st.stx_mode))
		return false;
	if (st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT)
		return st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	return is_other_device(dir, path, &st);
}

int share_table(void)
{
	return open(TABLE, O_RDONLY | O_CLOEXEC);
}

static uint8_t kind_of_type(const char *type)
{
	if (strncmp(type, "virtiofs ", 9) == 0)
		return REPORT_SHARE_VIRTIOFS;
	return strncmp(type, "9p ", 3) == 0 ? REPORT_SHARE_9P : REPORT_SHARE_OTHER;
}

/* Not asked of statfs(), which over 9p speaks of the file system that the host has there. */
static uint8_t kind_of_device(const struct statx *st)
{
	hy_autofile *f = fopen(TABLE, "re");
	hy_autofree char *line = NULL;
	char numbers[32];
	size_t room = 0;

	snprintf(numbers, sizeof(numbers), " %u:%u ", st->stx_dev_major, st->stx_dev_minor);
	while (f && getline(&line, &room, f) > 0) {
		const char *type = strstr(line, " - ");

		if (type && strstr(line, numbers))
			return kind_of_type(type + 3);
	}
	return REPORT_SHARE_OTHER;
}

static void set(struct agent *a, int fd, const struct statx *st)
{
	struct share *s = &a->share;
	uint8_t type = fd < 0 ? REPORT_SHARE_NONE : kind_of_device(st);
	struct hy_err e = { 0 };

	s->dev = fd < 0 ? 0 : dev_of(st);
	s->mount = fd < 0 ? 0 : st->stx_mnt_id;
	s->kind = fd < 0 || share_is_mount(AT_FDCWD, s->path) ? type : REPORT_SHARE_DIRECTORY;
	if (files_share(a, fd, s->dev, type != REPORT_SHARE_9P, &e) < 0) {
		hy_log(a->log, HY_LOG_WARN, "%s", e.text);
		s->kind = REPORT_SHARE_NONE;
	}
	agent_tell_programs(a);
	report_soon(a);
}

static void look(struct agent *a)
{
	struct share *s = &a->share;
	hy_autofd fd = open(s->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statx st = { 0 };

	if (fd >= 0 && look_at(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0)
		hy_fd_close(&fd);
	if (fd < 0 && s->kind == REPORT_SHARE_NONE)
		return;
	if (fd >= 0 && s->kind != REPORT_SHARE_NONE && s->dev == dev_of(&st) &&
	    s->mount == st.stx_mnt_id)
		return;
	set(a, hy_fd_steal(&fd), &st);
}

static int table_handle(void *object, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	look(object);
	return 0;
}

static void table_drop(void *object, int fd, int rc)
{
	struct agent *a = object;

	(void)rc;
	ev_del(a->loop, fd);
}

static const struct ev_class table_class = { "mount table", table_handle, table_drop };

void share_open(struct agent *a, const char *path)
{
	struct hy_err e = { 0 };

	a->share = (struct share){ .path = path, .table = -1 };
	if (!path)
		return;
	a->share.table = share_table();
	if (a->share.table < 0)
		hy_err_set(&e, errno, "share: " TABLE);
	else if (ev_add(a->loop, a->share.table, &table_class, a, EPOLLPRI, &e) < 0)
		hy_fd_close(&a->share.table);
	if (a->share.table < 0)
		hy_log(a->log, HY_LOG_WARN, "%s; a mount that comes later is not noticed", e.text);
	look(a);
}

void share_close(struct agent *a)
{
	ev_del(a->loop, a->share.table);
	hy_fd_close(&a->share.table);
}
