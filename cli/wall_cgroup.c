/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wall_cgroup.c - the cgroups of a wall: the one thing of it that the kernel does not remove
 *
 * Runs in: hylics
 * Reads from: the cgroup file systems of this machine
 */
#include "cli/wall_cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/own.h"
#include "common/owner.h"

#define NAME_START "hylics-lab-"
#define DEPTH_MAX 16		/* of cgroups below a wall's own */
#define BUSY_WAIT_MS 2000
#define BUSY_PAUSE_MS 10

/* One look through all hierarchies. */
struct pass {
	const char *name;	/* remove this wall's cgroups; NULL: those whose owner is dead */
	unsigned int removed;
	int rc;			/* the first failure */
	struct hy_err *e;
};

int wall_cgroup_name(const char *outer, char *name, size_t size, struct hy_err *e)
{
	char owner[HY_OWNER_TEXT_MAX];
	int n = hy_owner_self(owner, e);

	if (n < 0)
		return n;
	n = snprintf(name, size, "%s%s%s", outer ? outer : NAME_START, outer ? "-" : "", owner);
	if (n < 0 || (size_t)n >= size)
		return hy_err_set(e, ENAMETOOLONG, "wall inside '%s'", outer ? outer : "");
	return 0;
}

static bool belongs_to(const char *entry, const char *name)
{
	size_t len = strlen(name);

	return strncmp(entry, name, len) == 0 && (entry[len] == '\0' || entry[len] == '-');
}

/* Whether a directory is a wall's whose outermost supervisor is dead. */
static bool owner_dead(const char *entry)
{
	struct hy_owner owner;

	if (strncmp(entry, NAME_START, strlen(NAME_START)) != 0)
		return false;
	entry += strlen(NAME_START);
	if (!hy_owner_take(&entry, &owner))
		return false;
	return (*entry == '\0' || *entry == '-') && !hy_owner_lives(&owner);
}

static DIR *open_directory(int parent, const char *name)
{
	hy_autofd fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir;

	if (fd < 0)
		return NULL;
	dir = fdopendir(fd);
	if (dir)
		hy_fd_steal(&fd);
	return dir;
}

static bool is_child(const struct dirent *entry)
{
	return entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
	       strcmp(entry->d_name, "..") != 0;
}

/* NOLINTBEGIN(misc-no-recursion): at most DEPTH_MAX deep */
/* Removes a cgroup with all below it, deepest first. Returns 0 or -errno; gone already is 0. */
static int remove_tree(int parent, const char *name, unsigned int depth)
{
	DIR *dir = open_directory(parent, name);
	const struct dirent *entry;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (depth && (entry = readdir(dir)))
		if (is_child(entry))
			remove_tree(dirfd(dir), entry->d_name, depth - 1);
	closedir(dir);
	/* what failed below makes this one fail as well */
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}
/* NOLINTEND(misc-no-recursion) */

static int remove_when_idle(int parent, const char *name)
{
	const struct timespec pause = { .tv_nsec = BUSY_PAUSE_MS * (long)HY_NS_PER_MS };
	uint64_t deadline_ms = hy_clock_ms() + BUSY_WAIT_MS;
	int rc = remove_tree(parent, name, DEPTH_MAX);

	while ((rc == -EBUSY || rc == -ENOTEMPTY) && hy_clock_ms() < deadline_ms) {
		nanosleep(&pause, NULL);
		rc = remove_tree(parent, name, DEPTH_MAX);
	}
	return rc;
}

static void visit_hierarchy(const char *mount_point, struct pass *p)
{
	DIR *dir = open_directory(AT_FDCWD, mount_point);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		int rc;

		if (!is_child(entry))
			continue;
		if (p->name ? !belongs_to(entry->d_name, p->name) : !owner_dead(entry->d_name))
			continue;
		rc = remove_when_idle(dirfd(dir), entry->d_name);
		if (rc == 0)
			p->removed++;
		else if (p->rc == 0)
			p->rc = hy_err_set(p->e, -rc, "cgroup '%s/%s': remove", mount_point,
					   entry->d_name);
	}
	if (dir)
		closedir(dir);
}

/* mountinfo writes space, tab, newline and backslash as three octal digits. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		if (*from == '\\' && strspn(from + 1, "01234567") >= 3) {
			*to++ = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
				       (from[3] - '0'));
			from += 3;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
}

/* Returns the mount point in a line of mountinfo if it is a cgroup hierarchy's, else NULL. */
static char *cgroup_mount_point(char *line)
{
	char *type = strstr(line, " - ");
	char *place = line;

	if (!type || strncmp(type + 3, "cgroup", 6) != 0)
		return NULL;
	for (int i = 0; i < 4; i++) {
		place = strchr(place, ' ');
		if (!place || place >= type)
			return NULL;
		place++;
	}
	place[strcspn(place, " ")] = '\0';
	unescape(place);
	return place;
}

static int visit_hierarchies(struct pass *p)
{
	hy_autofile *f = fopen("/proc/self/mountinfo", "re");
	hy_autofree char *line = NULL;
	size_t size = 0;

	if (!f)
		return hy_err_set(p->e, errno, "/proc/self/mountinfo: open");
	while (getline(&line, &size, f) > 0) {
		const char *mount_point = cgroup_mount_point(line);

		if (mount_point)
			visit_hierarchy(mount_point, p);
	}
	return p->rc;
}

int wall_cgroup_remove(const char *name, struct hy_err *e)
{
	struct pass p = { .name = name, .e = e };

	return visit_hierarchies(&p);
}

int wall_cgroup_sweep(unsigned int *removed, struct hy_err *e)
{
	struct pass p = { .e = e };
	int rc = visit_hierarchies(&p);

	*removed = p.removed;
	return rc;
}
