/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * room.c - the room of a process that serves one VM: an empty root with the share in it
 *
 * Runs in: hylics-keeper (the way there), hylics-worker (inside)
 * Reads from: no untrusted input
 */
#include "common/room.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
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

static int make_root(void)
{
	hy_autofd fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int root;

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", INODES, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "mode", "555", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	root = fsmount(fs, FSMOUNT_CLOEXEC,
		       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return root < 0 ? -errno : root;
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

/* What the host mounts below the share later does not come along, and our mount holds no umount. */
static int bring_share(int root, const char *path, int *share, struct hy_err *e)
{
	hy_autofd copy = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (copy < 0)
		return hy_err_set(e, errno, "room: share '%s'", path);
	if (move_mount(copy, "", root, SHARE, MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    mount(NULL, SHARE, NULL, MS_PRIVATE, NULL) < 0 ||
	    mount(NULL, SHARE, NULL, MS_REMOUNT | MS_BIND | NOTHING_ODD, NULL) < 0)
		return hy_err_set(e, errno, "room: bring the share '%s' in", path);
	*share = open(SHARE, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *share < 0 ? hy_err_set(e, errno, "room: open the share") : 0;
}

/* The current directory becomes the root; the old one, for a moment on top of it, goes. */
static int close_door(void)
{
	if (HY_SANITIZED)
		return chdir("/") < 0 ? -errno : 0;
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
	    chdir("/") < 0 || mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | NOTHING_ODD, NULL) < 0)
		return -errno;
	return 0;
}

static int change_root(const char *path, int *share, struct hy_err *e)
{
	hy_autofd root = make_root();
	hy_autofd fd = -1;
	int rc = root < 0 ? root : attach_root(root);

	if (rc < 0)
		return hy_err_set(e, -rc, "room: make an empty root");
	if (path)
		rc = bring_share(root, path, &fd, e);
	if (rc < 0)
		return rc;
	rc = close_door();
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

static int restrict_files(int share)
{
	const struct landlock_path_beneath_attr rule = {
		.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
		.parent_fd = share,
	};
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
			       LANDLOCK_CREATE_RULESET_VERSION);
	const struct ruleset all = all_of(version);
	hy_autofd fd = -1;

	if (HY_SANITIZED || version < 1)
		return 0;		/* there is none, or it is switched off */
	fd = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	if (fd < 0)
		return -errno;
	if (share >= 0 &&
	    syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return -errno;
	return syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? -errno : 0;
}

int hy_room_enter(const struct hy_room *r, int *share, struct hy_err *e)
{
	hy_autofd fd = -1;
	int rc;

	forbid_user_namespaces();
	rc = change_root(r->share, &fd, e);
	if (rc < 0)
		return rc;
	rc = change_user(r->uid);
	if (rc < 0)
		return hy_err_set(e, -rc, "room: become user %u", (unsigned int)r->uid);
	rc = hy_sandbox_bare(r->capabilities, e);
	if (rc < 0)
		return rc;
	rc = restrict_files(fd);
	if (rc < 0)
		return hy_err_set(e, -rc, "room: Landlock");
	*share = hy_fd_steal(&fd);
	return 0;
}
