/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * room.c - the room of a process that serves one VM: an empty root with the share in it
 *
 * Runs in: hylics-keeper (the way there, modules), hylics-worker (inside)
 * Reads from: no untrusted input
 */
#include "common/room.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/own.h"
#include "common/sandbox.h"

#define SHARE "share"
#define NOTHING_ODD (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define INODES "2"			/* the root and the place for the share: no file fits in */
#define INODES_OF_PLACES "512"		/* what the places need; the root is read-only in the end */
#define OWN_BYTES "1m"
#define OWN_INODES "256"
#define PATH_ROOM 4096
#define USER_NAMESPACES "/proc/sys/user/max_user_namespaces"

/* -- the way there -- */

int hy_room_spaces(struct hy_err *e)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC) < 0)
		return hy_err_set(e, errno, "room: namespaces of its own");
	return 0;
}

/*
 * Who makes one has every capability in it, and with them reaches much of the kernel. The switch is
 * that of the user namespace we are in. Where it cannot be written the other walls stand alone.
 */
static void forbid_user_namespaces(void)
{
	hy_autofd fd = open(USER_NAMESPACES, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "0", 1) < 0)
		return;
}

/* -- the root -- */

struct option {
	const char *name, *value;	/* a tmpfs' */
};

static int make_tmpfs(const struct option *o, unsigned int n)
{
	hy_autofd fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int mount;

	for (unsigned int i = 0; i < n && fs >= 0; i++) {
		if (fsconfig(fs, FSCONFIG_SET_STRING, o[i].name, o[i].value, 0) < 0)
			return -errno;
	}
	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	mount = fsmount(fs, FSMOUNT_CLOEXEC,
			MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return mount < 0 ? -errno : mount;
}

static int make_root(const struct hy_room *r)
{
	bool more = r->n_places || r->own;
	const struct option o[] = { { "nr_inodes", more ? INODES_OF_PLACES : INODES },
				    { "mode", "555" } };

	return make_tmpfs(o, 2);
}

/* On top of the old root, where it is found by its descriptor alone. */
static int attach_root(int root)
{
	if (mkdirat(root, SHARE, 0555) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 || fchdir(root) < 0)
		return -errno;
	return 0;
}

/* The guest made what is in its share: no link leads out of it. Return: O_PATH, -errno */
static int open_seen(const struct hy_room *r, struct hy_err *e)
{
	const struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				      .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
						 RESOLVE_NO_XDEV };
	hy_autofd share = open(r->share, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd;

	if (share < 0)
		return hy_err_set(e, errno, "room: share '%s'", r->share);
	if (!r->folder || !r->folder[0])
		return hy_fd_steal(&share);
	fd = (int)syscall(SYS_openat2, share, r->folder, &how, sizeof(how));
	return fd < 0 ? hy_err_set(e, errno, "folder '%s' of the share", r->folder) : fd;
}

/* What the host mounts below the share later does not come along, and our mount holds no umount. */
static int bring_share(int root, const struct hy_room *r, int *share, struct hy_err *e)
{
	const char *path = r->share;
	hy_autofd at = open_seen(r, e);
	hy_autofd copy = -1;

	if (at < 0)
		return at;
	copy = open_tree(at, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (copy < 0)
		return hy_err_set(e, errno, "room: share '%s'", path);
	if (move_mount(copy, "", root, SHARE, MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    mount(NULL, SHARE, NULL, MS_PRIVATE, NULL) < 0 ||
	    mount(NULL, SHARE, NULL, MS_REMOUNT | MS_BIND | NOTHING_ODD, NULL) < 0)
		return hy_err_set(e, errno, "room: bring the share '%s' in", path);
	*share = open(SHARE, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *share < 0 ? hy_err_set(e, errno, "room: open the share") : 0;
}

/* -- what a program of others needs -- */

/* Directories for a path in the root that is being made; its last part too, if @all. */
static int make_dirs(const char *path, bool all)
{
	char part[PATH_ROOM];

	for (const char *p = path; *p; p++) {
		size_t len = (size_t)(p + 1 - path);

		if (p[1] != '/' && !(p[1] == '\0' && all))
			continue;
		if (len >= sizeof(part))
			return -ENAMETOOLONG;
		memcpy(part, path, len);
		part[len] = '\0';
		if (mkdir(part, 0555) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

static int make_target(const char *path, bool directory)
{
	int rc = make_dirs(path, directory);
	hy_autofd fd = -1;

	if (rc < 0 || directory)
		return rc;
	fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0444);
	return fd < 0 ? -errno : 0;
}

static int copy_link(const char *from, const char *to)
{
	char target[PATH_ROOM];
	ssize_t n = readlink(from, target, sizeof(target) - 1);
	int rc = n < 0 ? -errno : make_dirs(to, false);

	if (rc < 0)
		return rc;
	target[n] = '\0';
	return symlink(target, to) < 0 ? -errno : 0;
}

static uint64_t attributes_of(enum hy_room_how how)
{
	static const uint64_t odd[] = {
		[HY_ROOM_READ] = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		[HY_ROOM_RUN] = MOUNT_ATTR_NODEV,
		[HY_ROOM_DEVICE] = MOUNT_ATTR_NOEXEC,
	};

	return MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | odd[how];
}

/* The root is the current directory. */
static int bring_mount(const struct hy_room_place *p, bool directory)
{
	struct mount_attr attr = { .attr_set = attributes_of(p->how), .propagation = MS_PRIVATE };
	unsigned int deep = directory ? AT_RECURSIVE : 0;
	hy_autofd copy = open_tree(AT_FDCWD, p->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | deep);
	const char *to = p->path + 1;
	int rc = copy < 0 ? -errno : make_target(to, directory);

	if (rc < 0)
		return rc;
	if (move_mount(copy, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    mount_setattr(AT_FDCWD, to, deep, &attr, sizeof(attr)) < 0)
		return -errno;
	return 0;
}

static int bring_place(const struct hy_room_place *p)
{
	struct stat st;

	if ((p->how == HY_ROOM_RUN ? lstat(p->path, &st) : stat(p->path, &st)) < 0)
		return errno == ENOENT && !p->needed ? 0 : -errno;
	if (S_ISLNK(st.st_mode))
		return copy_link(p->path, p->path + 1);
	return bring_mount(p, S_ISDIR(st.st_mode));
}

static int make_own(const struct hy_room *r)
{
	char uid[16];
	const struct option o[] = { { "size", OWN_BYTES }, { "nr_inodes", OWN_INODES },
				    { "mode", "700" }, { "uid", uid }, { "gid", uid } };
	hy_autofd own = -1;
	int rc;

	snprintf(uid, sizeof(uid), "%u", (unsigned int)r->uid);
	own = make_tmpfs(o, sizeof(o) / sizeof(o[0]));
	rc = own < 0 ? own : make_dirs(r->own + 1, true);
	if (rc < 0)
		return rc;
	return move_mount(own, "", AT_FDCWD, r->own + 1, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

static int bring_places(const struct hy_room *r, struct hy_err *e)
{
	int rc = r->own ? make_own(r) : 0;

	if (rc < 0)
		return hy_err_set(e, -rc, "room: make '%s'", r->own);
	for (unsigned int i = 0; i < r->n_places; i++) {
		rc = bring_place(&r->place[i]);
		if (rc < 0)
			return hy_err_set(e, -rc, "room: bring '%s' in", r->place[i].path);
	}
	return 0;
}

static bool for_sanitizer(const struct hy_room *r)
{
	return HY_SANITIZED && !r->foreign;
}

/* The current directory becomes the root; the old one, for a moment on top of it, goes. */
static int close_door(const struct hy_room *r)
{
	if (for_sanitizer(r))
		return chdir("/") < 0 ? -errno : 0;
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
	    chdir("/") < 0 || mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | NOTHING_ODD, NULL) < 0)
		return -errno;
	return 0;
}

static int change_root(const struct hy_room *r, int *share, struct hy_err *e)
{
	hy_autofd root = make_root(r);
	hy_autofd fd = -1;
	int rc = root < 0 ? root : attach_root(root);

	if (rc < 0)
		return hy_err_set(e, -rc, "room: make an empty root");
	if (r->share)
		rc = bring_share(root, r, &fd, e);
	if (rc == 0)
		rc = bring_places(r, e);
	if (rc < 0)
		return rc;
	rc = close_door(r);
	if (rc < 0)
		return hy_err_set(e, -rc, "room: change to the empty root");
	*share = hy_fd_steal(&fd);
	return 0;
}

/* -- who it is -- */

/* They are kept over the change of the user, but are not in force behind it. */
static int raise_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	data[0].effective = data[0].permitted;
	data[1].effective = data[1].permitted;
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

static int change_user(uid_t uid)
{
	int rc;

	if (uid == geteuid())
		return 0;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	rc = raise_capabilities();
	if (rc < 0)
		return rc;
	/* what hy_sandbox_started() set depends on a switch of the host now */
	return prctl(PR_SET_DUMPABLE, HY_SANITIZED, 0, 0, 0) < 0 ? -errno : 0;
}

/* -- Landlock -- */

/* The kernel's struct as of version 6; an older one takes what it does not know if it is 0. */
struct ruleset {
	uint64_t files, ports, scopes;
};

#define FILE_RIGHTS_1 13		/* so many rights of files are in version 1, from bit 0 */
#define FILE_RIGHTS_2 14
#define FILE_RIGHTS_3 15
#define FILE_RIGHTS_5 16
#define SCOPES_6 3			/* abstract sockets of others, signals to others */

/* All that a version knows can be asked for; what a newer one knows cannot. */
static struct ruleset all_of(long version)
{
	unsigned int n = version >= 5 ? FILE_RIGHTS_5 :
			 version >= 3 ? FILE_RIGHTS_3 :
			 version >= 2 ? FILE_RIGHTS_2 : FILE_RIGHTS_1;

	return (struct ruleset){ .files = (UINT64_C(1) << n) - 1,
				 .scopes = version >= 6 ? SCOPES_6 : 0 };
}

static int allow(int ruleset, int fd, uint64_t rights)
{
	const struct landlock_path_beneath_attr rule = { .allowed_access = rights,
							 .parent_fd = fd };

	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 ?
	       -errno : 0;
}

/* What is not there was not needed; a link's target is another place, or none. */
static int allow_place(int ruleset, const struct hy_room_place *p)
{
	static const uint64_t rights[] = {
		[HY_ROOM_READ] = LANDLOCK_ACCESS_FS_READ_FILE,
		[HY_ROOM_RUN] = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE,
		[HY_ROOM_DEVICE] = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE,
	};
	hy_autofd fd = open(p->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISLNK(st.st_mode))
		return 0;
	return allow(ruleset, fd, rights[p->how] |
		     (S_ISDIR(st.st_mode) ? LANDLOCK_ACCESS_FS_READ_DIR : 0));
}

static int allow_all(int ruleset, const struct hy_room *r, int share, uint64_t all)
{
	hy_autofd own = r->own ? open(r->own, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	int rc = 0;

	if (share >= 0)
		rc = allow(ruleset, share,
			   LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
	if (rc == 0 && own >= 0)
		rc = allow(ruleset, own, all & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE);
	for (unsigned int i = 0; i < r->n_places && rc == 0; i++)
		rc = allow_place(ruleset, &r->place[i]);
	return rc;
}

static int restrict_files(const struct hy_room *r, int share)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
			       LANDLOCK_CREATE_RULESET_VERSION);
	const struct ruleset all = all_of(version);
	hy_autofd fd = -1;
	int rc;

	if (for_sanitizer(r) || version < 1)
		return 0;		/* there is none, or it is switched off */
	fd = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	if (fd < 0)
		return -errno;
	rc = allow_all(fd, r, share, all.files);
	if (rc < 0)
		return rc;
	return syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? -errno : 0;
}

int hy_room_enter(const struct hy_room *r, int *share, struct hy_err *e)
{
	hy_autofd fd = -1;
	int rc;

	forbid_user_namespaces();
	rc = change_root(r, &fd, e);
	if (rc < 0)
		return rc;
	rc = change_user(r->uid);
	if (rc < 0)
		return hy_err_set(e, -rc, "room: become user %u", (unsigned int)r->uid);
	rc = hy_sandbox_bare(r->capabilities, e);
	if (rc < 0)
		return rc;
	rc = restrict_files(r, fd);
	if (rc < 0)
		return hy_err_set(e, -rc, "room: Landlock");
	*share = hy_fd_steal(&fd);
	return 0;
}
