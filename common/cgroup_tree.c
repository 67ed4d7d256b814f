/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cgroup_tree.c - the cgroup file systems as they are mounted, and directories in them
 *
 * Runs in: hylicsd, hylics
 * Reads from: the cgroup file systems of this machine
 */
#include "common/cgroup_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/own.h"

#define DEPTH_MAX 16		/* of cgroups below one of ours */

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

/* ID PARENT MAJOR:MINOR ROOT PLACE OPTIONS [MORE...] - TYPE SOURCE OPTIONS */
static bool read_mount(char *line, struct cgroup_mount *m)
{
	char *type = strstr(line, " - ");
	char *place = line;
	char *options;

	if (!type || strncmp(type + 3, "cgroup", 6) != 0)
		return false;
	type += 3;
	for (int i = 0; i < 4; i++) {
		place = strchr(place, ' ');
		if (!place || place >= type)
			return false;
		place++;
	}
	m->v2 = strncmp(type, "cgroup2 ", 8) == 0;
	options = strchr(type, ' ');
	options = options ? strchr(options + 1, ' ') : NULL;
	m->options = options ? options + 1 : "";
	line[strcspn(line, "\n")] = '\0';
	place[strcspn(place, " ")] = '\0';
	unescape(place);
	m->place = place;
	return true;
}

int cgroup_mounts(void (*visit)(const struct cgroup_mount *m, void *arg), void *arg,
		  struct hy_err *e)
{
	hy_autofile *f = fopen("/proc/self/mountinfo", "re");
	hy_autofree char *line = NULL;
	struct cgroup_mount m;
	size_t size = 0;

	if (!f)
		return hy_err_set(e, errno, "/proc/self/mountinfo: open");
	while (getline(&line, &size, f) > 0)
		if (read_mount(line, &m))
			visit(&m, arg);
	return 0;
}

int cgroup_dir(int parent, const char *name)
{
	return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static bool is_child(const struct dirent *entry)
{
	return entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
	       strcmp(entry->d_name, "..") != 0;
}

int cgroup_children(int parent, const char *name,
		    void (*visit)(int dir, const char *child, void *arg), void *arg)
{
	hy_autofd fd = cgroup_dir(parent, name);
	const struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	hy_fd_steal(&fd);
	while ((entry = readdir(dir)))
		if (is_child(entry))
			visit(dirfd(dir), entry->d_name, arg);
	closedir(dir);
	return 0;
}

/* NOLINTBEGIN(misc-no-recursion): at most DEPTH_MAX deep */
static int remove_below(int parent, const char *name, unsigned int depth);

static void remove_child(int dir, const char *child, void *arg)
{
	const unsigned int *depth = arg;

	/* what fails below makes the one above fail as well */
	remove_below(dir, child, *depth);
}

static int remove_below(int parent, const char *name, unsigned int depth)
{
	unsigned int below = depth - 1;
	int rc = depth ? cgroup_children(parent, name, remove_child, &below) : 0;

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}
/* NOLINTEND(misc-no-recursion) */

int cgroup_remove_tree(int parent, const char *name)
{
	int rc = remove_below(parent, name, DEPTH_MAX);

	return rc == -ENOTEMPTY ? -EBUSY : rc;
}
