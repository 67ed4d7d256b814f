/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem_cgroup.c - one memory cgroup of the probe's own, version 1 or 2
 *
 * Runs in: the probes, on the host and in a guest
 * Reads from: no untrusted input
 *
 * The hierarchy is mounted once more without a path, so that it does not matter where, or
 * whether, the machine has mounted it. Its root directory is the same for the whole machine and
 * serves as a lock: two probes that bring swap along would get into each other's swap file.
 */
#include "tests/probes/probe.h"

#include "tests/probes/mem_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define START_TIME_FIELD 22		/* of /proc/PID/stat, from 1 */

static struct {
	bool v2;
	bool made;
	bool switched_on;		/* the controller, in the root of version 2, by us */
	pid_t owner;
	int root;
	int lock;			/* held until this process and its guard are gone */
	char name[PATH_MAX];		/* below root */
} cg = { .root = -1 };

static int open_hierarchy(const char *type, const char *controller)
{
	int root = -1;
	int fs = fsopen(type, FSOPEN_CLOEXEC);

	if (fs < 0)
		return -1;
	if ((!controller || fsconfig(fs, FSCONFIG_SET_FLAG, controller, NULL, 0) == 0) &&
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		root = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	close(fs);
	return root;
}

static bool file_has_word(int dir, const char *name, const char *word)
{
	char text[512] = "";
	char *rest = text;
	char *token;
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	if (fd >= 0)
		close(fd);
	while ((token = strsep(&rest, " \n")))
		if (strcmp(token, word) == 0)
			return true;
	return false;
}

static int write_text(const char *path, const char *text)
{
	int fd = openat(cg.root, path, O_WRONLY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

static void find_hierarchy(void)
{
	cg.root = open_hierarchy("cgroup2", NULL);
	if (cg.root >= 0 && file_has_word(cg.root, "cgroup.controllers", "memory")) {
		cg.v2 = true;
		return;
	}
	if (cg.root >= 0)
		close(cg.root);
	cg.root = open_hierarchy("cgroup", "memory");
	if (cg.root < 0)
		probe_skip_all("no memory cgroup, neither version 1 nor 2: %s", strerror(errno));
}

static unsigned long long start_time(void)
{
	char stat[1024];
	char *field;
	FILE *f = fopen("/proc/self/stat", "re");

	if (!f || !fgets(stat, sizeof(stat), f))
		probe_bail("/proc/self/stat: %s", strerror(errno));
	fclose(f);
	field = strrchr(stat, ')');		/* end of field 2 */
	for (int at = 2; field && at < START_TIME_FIELD; at++)
		field = strchr(field + 1, ' ');
	return field ? strtoull(field, NULL, 10) : 0;
}

static void switch_on(const char *above)
{
	char path[PATH_MAX + 32];
	int rc;

	if (!cg.v2)
		return;
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", above);
	if (file_has_word(cg.root, path, "memory"))
		return;
	rc = write_text(path, "+memory");
	if (rc < 0)
		probe_skip_all("no memory cgroup: switching it on in cgroup '%s': %s", above,
			       strerror(-rc));
	if (strcmp(above, ".") == 0)
		cg.switched_on = true;
}

static void choose_name(void)
{
	const char *lab = getenv("HYLICS_LAB_CGROUP");

	if (!lab || !lab[0]) {
		snprintf(cg.name, sizeof(cg.name), "hylics-lab-%d-%llu", getpid(), start_time());
		return;
	}
	lab += strspn(lab, "/");
	if (mkdirat(cg.root, lab, 0755) < 0 && errno != EEXIST)
		probe_bail("cgroup %s: %s", lab, strerror(errno));
	switch_on(lab);
	snprintf(cg.name, sizeof(cg.name), "%s/probe-%d", lab, getpid());
}

static void at_exit(void)
{
	if (getpid() == cg.owner)
		mem_cgroup_remove();
}

void mem_cgroup_make(size_t limit)
{
	int rc;

	find_hierarchy();
	cg.lock = (int)PROBE_TRY(openat(cg.root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	PROBE_TRY(flock(cg.lock, LOCK_EX));
	switch_on(".");
	choose_name();
	if (mkdirat(cg.root, cg.name, 0755) < 0)
		probe_skip_all("no memory cgroup: mkdir %s: %s", cg.name, strerror(errno));
	cg.made = true;
	cg.owner = getpid();
	atexit(at_exit);
	rc = mem_cgroup_set_limit(limit);
	if (rc < 0)
		probe_bail("limit of cgroup %s: %s", cg.name, strerror(-rc));
}

static const char *file_of(const char *v1, const char *v2)
{
	static char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", cg.name, cg.v2 ? v2 : v1);
	return path;
}

void mem_cgroup_join(void)
{
	if (write_text(file_of("cgroup.procs", "cgroup.procs"), "0") < 0)
		_exit(1);
}

int mem_cgroup_set_limit(size_t limit)
{
	char text[32];

	snprintf(text, sizeof(text), "%zu", limit);
	return write_text(file_of("memory.limit_in_bytes", "memory.max"), text);
}

static void read_text(const char *path, char *text, size_t size)
{
	int fd = (int)PROBE_TRY(openat(cg.root, path, O_RDONLY | O_CLOEXEC));
	ssize_t len = PROBE_TRY(read(fd, text, size - 1));

	text[len] = '\0';
	close(fd);
}

size_t mem_cgroup_usage(void)
{
	char text[32];

	read_text(file_of("memory.usage_in_bytes", "memory.current"), text, sizeof(text));
	return strtoull(text, NULL, 10);
}

ssize_t mem_cgroup_stat(const char *name)
{
	char text[8192];
	char *rest = text;
	char *line;
	size_t len = strlen(name);

	read_text(file_of("memory.stat", "memory.stat"), text, sizeof(text));
	while ((line = strsep(&rest, "\n")))
		if (strncmp(line, name, len) == 0 && line[len] == ' ')
			return (ssize_t)strtoull(line + len, NULL, 10);
	return -1;
}

ssize_t mem_cgroup_swap(void)
{
	char text[32];

	if (!cg.v2)
		return mem_cgroup_stat("swap");
	read_text(file_of("", "memory.swap.current"), text, sizeof(text));
	return (ssize_t)strtoull(text, NULL, 10);
}

static bool is_removed(void *arg)
{
	(void)arg;
	return unlinkat(cg.root, cg.name, AT_REMOVEDIR) == 0 || errno != EBUSY;
}

bool mem_cgroup_remove(void)
{
	if (!cg.made)
		return true;
	probe_wait_until(is_removed, NULL);
	if (cg.switched_on)
		write_text("./cgroup.subtree_control", "-memory");
	return faccessat(cg.root, cg.name, F_OK, 0) < 0;
}
