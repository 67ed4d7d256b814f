/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wall_place.c - what the first process of a wall makes of its new namespaces
 *
 * Runs in: hylics, in the first process inside a wall
 * Reads from: no untrusted input
 */
#include "cli/wall_place.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/own.h"

#define CGROUP_DIR "/sys/fs/cgroup"
#define TUN_DEVICE "/dev/net/tun"

static const struct hy_log place_log = {
	.program = "hylics lab", .object = "wall", .level = HY_LOG_WARN,
};

/* In this order: /sys covers what was mounted below it. */
static const struct {
	const char *target, *type, *options;
	unsigned long flags;
	bool needed;		/* processes inside would act on the machine's own things */
	const char *without;	/* what it means that an unneeded one is missing */
} places[] = {
	{ "/proc", "proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, true, NULL },
	{ "/run", "tmpfs", "mode=0755", MS_NOSUID | MS_NODEV, true, NULL },
	{ "/sys", "sysfs", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, false,
	  "/sys/class/net shows the machine's interfaces" },
	{ "/sys/fs/bpf", "bpf", "mode=0700", MS_NOSUID | MS_NODEV | MS_NOEXEC, false,
	  "BPF programs cannot be pinned" },
	{ "/dev/shm", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV, false,
	  "shared memory is the machine's" },
};

static int write_file(const char *path, const char *text, struct hy_err *e)
{
	hy_autofd fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return hy_err_set(e, errno, "%s: open", path);
	if (write(fd, text, strlen(text)) < 0)
		return hy_err_set(e, errno, "%s: write '%s'", path, text);
	return 0;
}

int wall_place_be_root(uid_t uid, gid_t gid, struct hy_err *e)
{
	char map[64];
	int rc;

	snprintf(map, sizeof(map), "0 %u 1", uid);
	rc = write_file("/proc/self/uid_map", map, e);
	if (rc < 0)
		return rc;
	/* the kernel allows a group map of one's own only after this */
	rc = write_file("/proc/self/setgroups", "deny", e);
	if (rc < 0)
		return rc;
	snprintf(map, sizeof(map), "0 %u 1", gid);
	return write_file("/proc/self/gid_map", map, e);
}

static int mount_places(struct hy_err *e)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (mount(places[i].type, places[i].target, places[i].type, places[i].flags,
			  places[i].options) == 0)
			continue;
		if (places[i].needed)
			return hy_err_set(e, errno, "wall: mount of a private %s",
					  places[i].target);
		hy_log(&place_log, HY_LOG_WARN, "mount of a private %s refused (%s): %s",
		       places[i].target, strerror(errno), places[i].without);
	}
	return 0;
}

/* A copy of the tree of cgroup mounts, to be put onto the new /sys; -1 where there is none. */
static int take_cgroups(void)
{
	int fd = open_tree(AT_FDCWD, CGROUP_DIR,
			   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	if (fd < 0 && errno != ENOENT)
		hy_log(&place_log, HY_LOG_WARN, "%s: open_tree refused (%s): no cgroups inside",
		       CGROUP_DIR, strerror(errno));
	return fd;
}

static void put_cgroups(int fd)
{
	if (fd < 0)
		return;
	if (move_mount(fd, "", AT_FDCWD, CGROUP_DIR, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		hy_log(&place_log, HY_LOG_WARN, "%s: move_mount refused (%s): no cgroups inside",
		       CGROUP_DIR, strerror(errno));
}

static void bring_loopback_up(void)
{
	hy_autofd fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo" };

	if (fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0) {
		request.ifr_flags |= IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &request) == 0)
			return;
	}
	hy_log(&place_log, HY_LOG_WARN, "lo stays down (%s)", strerror(errno));
}

static void look_for_tun(void)
{
	hy_autofd fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		hy_log(&place_log, HY_LOG_WARN, "%s cannot be opened (%s): no tap interfaces, so "
		       "no network for VMs", TUN_DEVICE, strerror(errno));
}

int wall_place_make(struct hy_err *e)
{
	hy_autofd cgroups = -1;
	int rc;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return hy_err_set(e, errno, "wall: making mounts private");
	cgroups = take_cgroups();
	rc = mount_places(e);
	if (rc < 0)
		return rc;
	put_cgroups(cgroups);
	bring_loopback_up();
	look_for_tun();
	return 0;
}
