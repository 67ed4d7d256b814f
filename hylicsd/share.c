/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * share.c - a VM's share as the kernel has it: a tmpfs mounted in the VM's directory
 *
 * Runs in: hylicsd
 * Reads from: the mount table; of the share's content only the kernel's counters
 */
#include "hylicsd/share.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/own.h"

#define SOURCE "hylics"			/* what mount(8) shows in front of "on" */
#define DIR_MODE 0755

static int check_name(const char *name, struct hy_err *e)
{
	if (!name[0] || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return hy_err_set(e, EINVAL, "share: '%.64s' is not the name of an entry", name);
	return 0;
}

/* Opens the entry, and what is mounted on it, as a path. Returns it, -errno. */
static int open_place(int dir, const char *name)
{
	const struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* Returns 1 if the descriptor is the root of a mount, whose id goes to @id; 0, -errno. */
static int mount_root(int fd, uint64_t *id)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0)
		return -errno;
	if (!(st.stx_mask & STATX_MNT_ID) ||
	    !(st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT))
		return -ENOSYS;		/* before Linux 5.8 */
	*id = st.stx_mnt_id;
	return !!(st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* Whether a line of mountinfo is that of a whole tmpfs, not of a directory of one. */
static bool is_whole_tmpfs(const char *line)
{
	const char *type = strstr(line, " - ");
	const char *root = line;

	for (int i = 0; i < 3 && root; i++) {
		root = strchr(root, ' ');
		root += root != NULL;
	}
	return root && type && strncmp(root, "/ ", 2) == 0 && strncmp(type, " - tmpfs ", 9) == 0;
}

/* A devtmpfs has the same magic number, a bind mount of a directory in one as well. */
static int is_tmpfs(uint64_t id)
{
	hy_autofile *f = fopen("/proc/self/mountinfo", "re");
	hy_autofree char *line = NULL;
	size_t size = 0;

	if (!f)
		return -errno;
	while (getline(&line, &size, f) > 0)
		if (strtoull(line, NULL, 10) == id)
			return is_whole_tmpfs(line);
	return 0;
}

/* Opens the share. Returns the descriptor; -ENOENT and -EEXIST as share_find(). */
static int open_share(int dir, const char *name)
{
	hy_autofd fd = open_place(dir, name);
	struct statfs fs = { 0 };
	uint64_t id = 0;
	int rc;

	if (fd == -ELOOP || fd == -ENOTDIR)
		return -EEXIST;
	if (fd < 0)
		return fd;
	rc = mount_root(fd, &id);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if (fs.f_type != TMPFS_MAGIC || !(fs.f_flags & ST_NODEV) || !(fs.f_flags & ST_NOSUID))
		return -EEXIST;
	rc = is_tmpfs(id);
	if (rc <= 0)
		return rc < 0 ? rc : -EEXIST;
	return hy_fd_steal(&fd);
}

static int find_error(int rc, const char *name, struct hy_err *e)
{
	if (rc == -ENOENT)
		return hy_err_set(e, ENOENT, "share '%s': nothing is mounted there", name);
	if (rc == -EEXIST)
		return hy_err_set(e, EEXIST, "share '%s': something else is at its place", name);
	return hy_err_set(e, -rc, "share '%s': look for it", name);
}

static int read_usage(int fd, struct share_usage *u)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	*u = (struct share_usage){
		.size_bytes = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize,
		.used_bytes = (uint64_t)(fs.f_blocks - fs.f_bfree) * (uint64_t)fs.f_bsize,
		.inodes = fs.f_files,
		.used_inodes = fs.f_files - fs.f_ffree,
	};
	return 0;
}

int share_find(int dir, const char *name, struct share_usage *u, struct hy_err *e)
{
	hy_autofd fd = -1;
	int rc = check_name(name, e);

	if (rc < 0)
		return rc;
	fd = open_share(dir, name);
	if (fd == -ENOENT)
		return fd;
	if (fd < 0)
		return find_error(fd, name, e);
	rc = u ? read_usage(fd, u) : 0;
	return rc < 0 ? find_error(rc, name, e) : 0;
}

static int set_number(int fs, const char *key, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return fsconfig(fs, FSCONFIG_SET_STRING, key, text, 0) < 0 ? -errno : 0;
}

static int set_limits(int fs, uint64_t bytes, uint64_t inodes)
{
	int rc = set_number(fs, "size", bytes);

	return rc == 0 ? set_number(fs, "nr_inodes", inodes) : rc;
}

/* To tmpfs 0 is "no limit". Above, the kernel takes bytes that it cannot count in pages. */
static int check_limits(const char *name, uint64_t bytes, uint64_t inodes, struct hy_err *e)
{
	if (bytes == 0 || bytes > INT64_MAX)
		return hy_err_set(e, EINVAL, "share '%s': a size of %" PRIu64 " bytes", name,
				  bytes);
	if (inodes == 0 || inodes > INT64_MAX)
		return hy_err_set(e, EINVAL, "share '%s': %" PRIu64 " inodes", name, inodes);
	return 0;
}

/* A tmpfs that is mounted nowhere yet. Returns its descriptor, -errno. */
static int new_tmpfs(uint64_t bytes, uint64_t inodes)
{
	hy_autofd fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int fd;
	int rc;

	if (fs < 0)
		return -errno;
	rc = set_limits(fs, bytes, inodes);
	if (rc < 0)
		return rc;
	if (fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "source", SOURCE, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	/* each read is to be seen: files that are not used leave memory, see memory.md */
	fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
		     MOUNT_ATTR_STRICTATIME);
	return fd < 0 ? -errno : fd;
}

/* Makes the directory to mount on, and opens it. Returns the descriptor, -errno. */
static int make_place(int dir, const char *name)
{
	hy_autofd fd = -1;
	uint64_t id;
	int rc;

	if (mkdirat(dir, name, DIR_MODE) < 0 && errno != EEXIST)
		return -errno;
	fd = open_place(dir, name);
	if (fd < 0)
		return fd == -ELOOP || fd == -ENOTDIR ? -EEXIST : fd;
	rc = mount_root(fd, &id);
	if (rc < 0)
		return rc;
	return rc ? -EEXIST : hy_fd_steal(&fd);
}

int share_make(int dir, const char *name, uint64_t bytes, uint64_t inodes, struct hy_err *e)
{
	hy_autofd place = -1;
	hy_autofd fd = -1;
	int rc = check_name(name, e);

	if (rc == 0)
		rc = check_limits(name, bytes, inodes, e);
	if (rc < 0)
		return rc;
	place = make_place(dir, name);
	if (place < 0)
		return hy_err_set(e, -place, "share '%s': make its directory", name);
	fd = new_tmpfs(bytes, inodes);
	if (fd < 0)
		return hy_err_set(e, -fd, "share '%s': make a tmpfs of %" PRIu64 " bytes and %"
				  PRIu64 " inodes", name, bytes, inodes);
	if (move_mount(fd, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return hy_err_set(e, errno, "share '%s': mount", name);
	return 0;
}

static int reconfigure(int fd, uint64_t bytes, uint64_t inodes)
{
	hy_autofd fs = fspick(fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
	int rc;

	if (fs < 0)
		return -errno;
	rc = set_limits(fs, bytes, inodes);
	if (rc < 0)
		return rc;
	return fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0 ? -errno : 0;
}

int share_resize(int dir, const char *name, uint64_t bytes, uint64_t inodes, struct hy_err *e)
{
	struct share_usage u = { 0 };
	hy_autofd fd = -1;
	int rc = check_name(name, e);

	if (rc == 0)
		rc = check_limits(name, bytes, inodes, e);
	if (rc < 0)
		return rc;
	fd = open_share(dir, name);
	if (fd < 0)
		return find_error(fd, name, e);
	rc = reconfigure(fd, bytes, inodes);
	if (rc == 0)
		return 0;
	/* the kernel has one number for all that can be wrong */
	if (rc == -EINVAL && read_usage(fd, &u) == 0 && u.used_bytes > bytes)
		return hy_err_set(e, ENOSPC, "share '%s': %" PRIu64 " bytes are in it, so its size "
				  "cannot be %" PRIu64, name, u.used_bytes, bytes);
	if (rc == -EINVAL && read_usage(fd, &u) == 0 && u.used_inodes > inodes)
		return hy_err_set(e, ENOSPC, "share '%s': %" PRIu64 " inodes are in use, so its "
				  "limit cannot be %" PRIu64, name, u.used_inodes, inodes);
	return hy_err_set(e, -rc, "share '%s': change its size to %" PRIu64 " bytes and %" PRIu64
			  " inodes", name, bytes, inodes);
}

/* Unmounting takes a path; this one goes from the directory's descriptor to the name in it. */
static int unmount(int dir, const char *name, int flags)
{
	char path[64 + NAME_MAX];
	int n = snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	return umount2(path, UMOUNT_NOFOLLOW | flags) < 0 ? -errno : 0;
}

/* Letting a mount go clears the mark that MNT_EXPIRE left on it. */
static int clear_mark(int dir, const char *name)
{
	hy_autofd fd = open_share(dir, name);

	return fd < 0 ? fd : 0;
}

/*
 * MNT_EXPIRE does what an unmount would, with all its refusals, but first time leaves only a mark.
 * It unmounts what has the mark still, so the mark is cleared before each question.
 */
int share_in_use(int dir, const char *name, struct hy_err *e)
{
	int rc = check_name(name, e);

	if (rc < 0)
		return rc;
	rc = clear_mark(dir, name);
	if (rc < 0)
		return find_error(rc, name, e);
	rc = unmount(dir, name, MNT_EXPIRE);
	if (rc == -EBUSY)
		return 1;
	if (rc == -EAGAIN)
		return 0;
	return hy_err_set(e, rc ? -rc : EIO, "share '%s': ask whether it is in use", name);
}

int share_unmake(int dir, const char *name, bool force, struct hy_err *e)
{
	int rc = share_find(dir, name, NULL, e);

	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (rc == 0) {
		rc = unmount(dir, name, force ? MNT_DETACH : 0);
		if (rc == -EBUSY)
			return hy_err_set(e, EBUSY, "share '%s': in use, a file in it is open or "
					  "a process stands in it", name);
		if (rc < 0)
			return hy_err_set(e, -rc, "share '%s': unmount", name);
	}
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return hy_err_set(e, errno, "share '%s': remove its directory", name);
	return 0;
}
