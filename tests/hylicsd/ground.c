/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ground.c - where tests of shares stand: a mount namespace, tmpfs and directories of their own
 *
 * Runs in: the tests of hylicsd
 * Reads from: no untrusted input
 */
#include "tests/probes/probe.h"

#include "tests/hylicsd/ground.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cgroup_tree.h"
#include "common/own.h"
#include "common/owner.h"

#define PLACE "/mnt"
#define CHUNK 65536

void ground_private(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		probe_skip_all("no mount namespace of our own (%s); needs root", strerror(errno));
}

int ground_make(void)
{
	ground_private();
	PROBE_TRY(mount("tmpfs", PLACE, "tmpfs", 0, "mode=0755"));
	return (int)PROBE_TRY(open(PLACE, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

void ground_try(int rc, const struct hy_err *e)
{
	if (rc < 0)
		probe_bail("%s: %s", e->text, strerror(e->num));
}

int ground_write(int dir, const char *name, uint64_t len, unsigned int stream)
{
	static unsigned char chunk[CHUNK];
	hy_autofd fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	for (uint64_t at = 0; at < len;) {
		size_t want = len - at < CHUNK ? len - at : CHUNK;
		ssize_t n;

		probe_fill(chunk, want, at, stream);
		n = pwrite(fd, chunk, want, (off_t)at);
		if (n < 0)
			return -errno;
		at += (uint64_t)n;
	}
	return 0;
}

static void count_mount(const struct cgroup_mount *m, void *arg)
{
	int *n = arg;

	(void)m;
	++*n;
}

void ground_cgroups(struct cgroups *c)
{
	const char *lab = getenv("HYLICS_LAB_CGROUP");
	char owner[HY_OWNER_TEXT_MAX];
	char group[CGROUP_GROUP_MAX + 1];
	struct hy_err e = { 0 };
	int mounts = 0;
	int rc;

	ground_try(cgroup_mounts(count_mount, &mounts, &e), &e);
	if (mounts == 0) {
		PROBE_TRY(mount("tmpfs", PLACE, "tmpfs", 0, NULL));
		if (mount("cgroup2", PLACE, "cgroup2", 0, NULL) < 0)
			probe_skip_all("no cgroups: %s", strerror(errno));
	}
	ground_try(hy_owner_self(owner, &e), &e);
	if (lab && lab[0])
		snprintf(group, sizeof(group), "%s/test-%s", lab + strspn(lab, "/"), owner);
	else
		snprintf(group, sizeof(group), "hylics-lab-%s", owner);
	rc = cgroup_open(c, group, &e);
	if (rc == -ENOTSUP || rc == -EACCES || rc == -EROFS || rc == -EPERM)
		probe_skip_all("%s: %s", e.text, strerror(-rc));
	ground_try(rc, &e);
}

static bool is_removed(void *arg)
{
	const struct cgroup_tree *t = arg;
	char link[64], path[CGROUP_GROUP_MAX + 1024];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", t->fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len < 0)
		return false;
	path[len] = '\0';
	return rmdir(path) == 0 || errno == ENOENT;
}

bool ground_cgroups_end(struct cgroups *c)
{
	bool gone = true;

	for (unsigned int i = 0; i < c->n; i++)
		gone = probe_wait_until(is_removed, &c->tree[i]) && gone;
	cgroup_close(c);
	return gone;
}
