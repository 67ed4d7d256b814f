/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * attach.c - one attempt to mount the share
 *
 * Runs in: hylics-agent (a child of the holder); may wait for the host
 * Reads from: /sys; the directory, which may be anything; a device the host has made
 *
 * The file system is made first, below no name, and put onto the directory by descriptors: what
 * lies in the way is found out about a directory that cannot be exchanged meanwhile, and a guest
 * without the device is not asked for its directory at all.
 */
#include "hylics-agent/attach.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/own.h"
#include "hylics-agent/share.h"

#define DEVICES "/sys/bus/virtio/devices"

struct option {
	const char *key, *value;
};

/* What may have the tag, the better first; @device: number of the kind of virtio device. */
static const struct file_system {
	const char *type;
	unsigned long device;
	int absent;			/* what the kernel says of a tag that no device has */
	struct option options[5];
} file_systems[] = {
	{ .type = "virtiofs", .device = 26, .absent = EINVAL },
	/* cache=mmap: a file opened after a change on the host has it, and mmap() works */
	{ .type = "9p", .device = 9, .absent = ENOENT,
	  .options = { { "trans", "virtio" }, { "version", "9p2000.L" }, { "msize", "512000" },
		       { "cache", "mmap" } } },
};

/* -- which devices there are: a kernel that is asked for a tag in vain says so in its log -- */

static bool is_device(int dir, const char *name, unsigned long wanted)
{
	char path[300], text[32];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/device", name);
	hy_autofd fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return strtoul(text, NULL, 16) == wanted;
}

/* Where there is no /sys the mount itself will tell. */
static bool may_exist(unsigned long device)
{
	DIR *dir = opendir(DEVICES);
	const struct dirent *d;
	bool found = !dir;

	while (!found && (d = readdir(dir)) != NULL)
		found = d->d_name[0] != '.' && is_device(dirfd(dir), d->d_name, device);
	if (dir)
		closedir(dir);
	return found;
}

/* -- making it; glibc has these calls since 2.36, musl has not -- */

static int configure(int ctx, unsigned int what, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, ctx, what, key, value, 0);
}

static int set_options(int ctx, const struct file_system *fs, const char *tag)
{
	int rc = configure(ctx, FSCONFIG_SET_STRING, "source", tag);

	for (const struct option *o = fs->options; rc == 0 && o->key; o++)
		rc = configure(ctx, FSCONFIG_SET_STRING, o->key, o->value);
	return rc;
}

/* Return: descriptor of a mount that is nowhere yet, -ENODEV, -errno */
static int make(const struct file_system *fs, const char *tag, struct hy_err *e)
{
	hy_autofd ctx = (int)syscall(SYS_fsopen, fs->type, FSOPEN_CLOEXEC);
	int fd;

	/* a kernel without the file system; a container; a kernel without these calls */
	if (ctx < 0 && (errno == ENODEV || errno == EPERM || errno == ENOSYS))
		return hy_err_set(e, ENODEV, "%s cannot be mounted here: %s", fs->type,
				  strerror(errno));
	if (ctx < 0 || set_options(ctx, fs, tag) < 0)
		return hy_err_set(e, errno, "prepare a mount of %s '%s'", fs->type, tag);
	if (configure(ctx, FSCONFIG_CMD_CREATE, NULL, NULL) < 0) {
		if (errno == fs->absent || errno == EPERM)
			return hy_err_set(e, ENODEV, "no %s device has the tag '%s'", fs->type,
					  tag);
		return hy_err_set(e, errno, "mount %s '%s'", fs->type, tag);
	}
	fd = (int)syscall(SYS_fsmount, ctx, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	return fd < 0 ? hy_err_set(e, errno, "mount %s '%s'", fs->type, tag) : fd;
}

static int make_any(const char *tag, struct hy_err *e)
{
	int rc = hy_err_set(e, ENODEV, "no device has the tag '%s'", tag);

	for (size_t i = 0; i < sizeof(file_systems) / sizeof(file_systems[0]); i++) {
		if (may_exist(file_systems[i].device))
			rc = make(&file_systems[i], tag, e);
		if (rc != -ENODEV)
			return rc;
	}
	return rc;
}

/* -- where it goes -- */

static int is_empty(int place)
{
	hy_autofd fd = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *d;
	int rc = 0;
	DIR *dir;

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return -errno;
	(void)hy_fd_steal(&fd);		/* closed with the stream */
	while (rc == 0 && (d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			rc = -ENOTEMPTY;
	}
	closedir(dir);
	return rc;
}

static int open_place(const char *dir, struct hy_err *e)
{
	struct stat st;
	int rc;

	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return hy_err_set(e, errno, "share: make the directory '%s'", dir);
	hy_autofd fd = open(dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && lstat(dir, &st) == 0 && !S_ISDIR(st.st_mode))
		return hy_err_set(e, ENOTDIR, "share: '%s' is %s, and is left alone; remove it or "
				  "name another place with --share", dir,
				  S_ISLNK(st.st_mode) ? "a symbolic link" : "no directory");
	if (fd < 0)
		return hy_err_set(e, errno, "share: open '%s'", dir);
	rc = is_empty(fd);
	if (rc == -ENOTEMPTY)
		return hy_err_set(e, ENOTEMPTY, "share: '%s' has files in it, which a mount would "
				  "hide; empty it or name another place with --share", dir);
	return rc < 0 ? hy_err_set(e, -rc, "share: look into '%s'", dir) : hy_fd_steal(&fd);
}

int attach_share(const char *dir, const char *tag, struct hy_err *e)
{
	if (share_is_mount(AT_FDCWD, dir))
		return 0;
	hy_autofd mount = make_any(tag, e);
	if (mount < 0)
		return mount;
	hy_autofd place = open_place(dir, e);
	if (place < 0)
		return place;
	if (syscall(SYS_move_mount, mount, "", place, "",
		    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return hy_err_set(e, errno, "share: put '%s' at '%s'", tag, dir);
	return 1;
}
