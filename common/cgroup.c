/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cgroup.c - cgroups of version 1 and 2 behind one set of calls
 *
 * Runs in: hylicsd, hylics
 * Reads from: the cgroup file systems of this machine; names from records and configuration
 */
#include "common/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/cgroup_tree.h"
#include "common/own.h"

#define DEPTH_MAX 16		/* of cgroups below one of ours */
#define DAEMON_NAME "self.daemon"
#define KILL_BATCH 128		/* descriptors held at the same time */
#define PATH_ROOM (CGROUP_NAME_MAX + 64)
#define STAT_ROOM 8192		/* memory.stat has some 60 lines */
#define LOOKS 8			/* whether a lower limit holds */
/* What version 1 says where there is no limit: the largest number of whole pages, or above. */
#define V1_NO_LIMIT ((uint64_t)INT64_MAX - 65535)

struct found {
	int memory, cpu, unified;
};

/* Reads a file of the kernel's whole, as text. Returns its length, -errno. */
static ssize_t read_text(int dir, const char *path, char *text, size_t size)
{
	hy_autofd fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	if (n < 0)
		return -errno;
	text[len] = '\0';
	return (ssize_t)len;
}

static int write_text(int dir, const char *path, const char *text)
{
	hy_autofd fd = openat(dir, path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static bool has_word(int dir, const char *path, const char *word)
{
	char text[1024];
	char *rest = text;
	const char *token;

	if (read_text(dir, path, text, sizeof(text)) < 0)
		return false;
	while ((token = strsep(&rest, " \n")))
		if (strcmp(token, word) == 0)
			return true;
	return false;
}

/* Whether the options of a version 1 mount have a controller. */
static bool has_controller(const char *options, const char *controller)
{
	size_t len = strlen(controller);

	for (const char *at = options; *at; at += strcspn(at, ","), at += *at == ',')
		if (strncmp(at, controller, len) == 0 && (at[len] == ',' || at[len] == '\0'))
			return true;
	return false;
}

static int open_mount(const struct cgroup_mount *m)
{
	hy_autofd fd = cgroup_dir(AT_FDCWD, m->place);
	struct statfs fs;

	/* the place may be covered by another mount */
	if (fd < 0 || fstatfs(fd, &fs) < 0 ||
	    fs.f_type != (m->v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC))
		return -1;
	return hy_fd_steal(&fd);
}

static void find_mount(const struct cgroup_mount *m, void *arg)
{
	struct found *f = arg;

	if (m->v2) {
		if (f->unified < 0)
			f->unified = open_mount(m);
		return;
	}
	if (f->memory < 0 && has_controller(m->options, "memory"))
		f->memory = open_mount(m);
	if (f->cpu < 0 && has_controller(m->options, "cpuacct"))
		f->cpu = open_mount(m);
}

static bool same_hierarchy(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev;
}

/* Moves what is used out of @f into @c. */
static int choose(struct found *f, struct cgroups *c, struct hy_err *e)
{
	struct cgroup_tree *t = c->tree;

	if (f->unified >= 0 && has_word(f->unified, "cgroup.controllers", "memory")) {
		*t = (struct cgroup_tree){ hy_fd_steal(&f->unified), true, true, true };
		c->n = 1;
		return 0;
	}
	if (f->memory < 0)
		return hy_err_set(e, ENOTSUP, "this machine has no memory controller for cgroups, "
				  "neither of version 1 nor of version 2");
	*t = (struct cgroup_tree){ hy_fd_steal(&f->memory), false, true, false };
	c->n = 1;
	if (f->cpu >= 0 && same_hierarchy(t->fd, f->cpu)) {
		t->cpu = true;
	} else if (f->cpu >= 0 || f->unified >= 0) {
		bool v2 = f->cpu < 0;

		t[1] = (struct cgroup_tree){ hy_fd_steal(v2 ? &f->unified : &f->cpu), v2, false,
					     true };
		c->n = 2;
	}
	return 0;
}

static bool self_inside(int dir)
{
	char own[32];

	snprintf(own, sizeof(own), "%d", getpid());
	return has_word(dir, "cgroup.procs", own);
}

/* This process moves out of the way, see above. */
static int step_aside(int dir)
{
	if (mkdirat(dir, DAEMON_NAME, 0755) < 0 && errno != EEXIST)
		return -errno;
	return write_text(dir, DAEMON_NAME "/cgroup.procs", "0");
}

/* Has a level of version 2 hand the memory controller down. */
static int hand_down(int dir)
{
	int rc;

	if (has_word(dir, "cgroup.subtree_control", "memory"))
		return 0;
	rc = write_text(dir, "cgroup.subtree_control", "+memory");
	if (rc == -EBUSY && self_inside(dir)) {
		rc = step_aside(dir);
		if (rc == 0)
			rc = write_text(dir, "cgroup.subtree_control", "+memory");
	}
	return rc;
}

static int hand_down_error(int rc, const char *group, size_t len, struct hy_err *e)
{
	const char *why = rc == -EBUSY ? "; processes are in that very cgroup, so it can hand "
					 "nothing down" :
			  rc == -ENOENT ? "; the level above does not hand it down" : "";

	return hy_err_set(e, -rc, "cgroup '/%.*s': hand the memory controller down%s", (int)len,
			  group, why);
}

/* Goes from a hierarchy's root to GROUP, making what is missing. */
static int go_to_group(struct cgroup_tree *t, const char *group, struct hy_err *e)
{
	bool hands = t->v2 && t->memory;
	const char *at = group;

	for (;;) {
		size_t len = strcspn(at, "/");
		char part[CGROUP_GROUP_MAX + 1];
		int rc = hands ? hand_down(t->fd) : 0;
		int next;

		if (rc < 0)
			return hand_down_error(rc, group, (size_t)(at - group), e);
		if (len == 0)
			return 0;
		memcpy(part, at, len);
		part[len] = '\0';
		if (mkdirat(t->fd, part, 0755) < 0 && errno != EEXIST)
			return hy_err_set(e, errno, "cgroup '%s': make", group);
		next = cgroup_dir(t->fd, part);
		if (next < 0)
			return hy_err_set(e, errno, "cgroup '%s': open", group);
		close(t->fd);
		t->fd = next;
		at += len;
		at += *at == '/';
	}
}

/* No empty parts, no dots alone, nothing but what systemd, libvirt and we name cgroups with. */
static int check_group(const char *group, struct hy_err *e)
{
	const char *at = group;

	if (strlen(group) > CGROUP_GROUP_MAX)
		return hy_err_set(e, ENAMETOOLONG, "cgroup: a path of at most %d bytes is wanted",
				  CGROUP_GROUP_MAX);
	do {
		size_t len = strcspn(at, "/");
		size_t good = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789_.:@\\-");

		if (len == 0 || len != good || strspn(at, ".") == len)
			return hy_err_set(e, EINVAL, "cgroup '%s': not a path such as "
					  "'hylics' or 'system.slice/hylicsd.service'", group);
		at += len;
	} while (*at++ == '/');
	return 0;
}

static int check_name(const char *name, struct hy_err *e)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (len == 0 || len > CGROUP_NAME_MAX || name[len] || name[0] == '-')
		return hy_err_set(e, EINVAL, "a cgroup's name has 1 to %d of a-z, 0-9 and dashes",
				  CGROUP_NAME_MAX);
	return 0;
}

int cgroup_open(struct cgroups *c, const char *group, struct hy_err *e)
{
	struct found f = { -1, -1, -1 };
	struct cgroups made = { 0 };
	int rc = check_group(group, e);

	if (rc == 0)
		rc = cgroup_mounts(find_mount, &f, e);
	if (rc == 0)
		rc = choose(&f, &made, e);
	hy_fd_close(&f.memory);
	hy_fd_close(&f.cpu);
	hy_fd_close(&f.unified);
	for (unsigned int i = 0; rc == 0 && i < made.n; i++)
		rc = go_to_group(&made.tree[i], group, e);
	if (rc < 0) {
		cgroup_close(&made);
		return rc;
	}
	snprintf(made.group, sizeof(made.group), "%s", group);
	*c = made;
	return 0;
}

void cgroup_close(struct cgroups *c)
{
	for (unsigned int i = 0; i < c->n; i++)
		hy_fd_close(&c->tree[i].fd);
	c->n = 0;
}

int cgroup_each(const struct cgroups *c, void (*visit)(int dir, const char *name, void *arg),
		void *arg, struct hy_err *e)
{
	for (unsigned int i = 0; i < c->n; i++) {
		int rc = cgroup_children(c->tree[i].fd, ".", visit, arg);

		if (rc < 0)
			return hy_err_set(e, -rc, "cgroup '%s': read", c->group);
	}
	return 0;
}

int cgroup_make(const struct cgroups *c, const char *name, struct hy_err *e)
{
	bool made[CGROUP_TREES_MAX] = { false };
	int rc = check_name(name, e);

	for (unsigned int i = 0; rc == 0 && i < c->n; i++) {
		made[i] = mkdirat(c->tree[i].fd, name, 0755) == 0;
		if (!made[i] && errno != EEXIST)
			rc = hy_err_set(e, errno, "cgroup '%s/%s': make", c->group, name);
	}
	for (unsigned int i = 0; rc < 0 && i < c->n; i++)
		if (made[i])
			unlinkat(c->tree[i].fd, name, AT_REMOVEDIR);
	return rc;
}

static const struct cgroup_tree *memory_tree(const struct cgroups *c)
{
	return &c->tree[0];		/* choose() */
}

/* The path of one of its files, from GROUP. */
static const char *file_of(char path[PATH_ROOM], const char *name, const char *file)
{
	snprintf(path, PATH_ROOM, "%s/%s", name, file);
	return path;
}

static int write_file(const struct cgroup_tree *t, const char *name, const char *file,
		      const char *text)
{
	char path[PATH_ROOM];

	return write_text(t->fd, file_of(path, name, file), text);
}

/* A file that holds one number or "max". Returns 0, -errno. */
static int read_number(const struct cgroup_tree *t, const char *name, const char *file,
		       uint64_t *value)
{
	char path[PATH_ROOM];
	char text[32];
	ssize_t n = read_text(t->fd, file_of(path, name, file), text, sizeof(text));

	if (n < 0)
		return (int)n;
	*value = strncmp(text, "max", 3) == 0 ? CGROUP_NO_LIMIT : strtoull(text, NULL, 10);
	return 0;
}

/* The number behind @key in a file of lines "KEY NUMBER". Returns 0, -ENODATA without that key. */
static int read_line(const struct cgroup_tree *t, const char *name, const char *file,
		     const char *key, uint64_t *value)
{
	char path[PATH_ROOM];
	char text[STAT_ROOM];
	char *rest = text;
	const char *line;
	size_t len = strlen(key);
	ssize_t n = read_text(t->fd, file_of(path, name, file), text, sizeof(text));

	if (n < 0)
		return (int)n;
	while ((line = strsep(&rest, "\n"))) {
		if (strncmp(line, key, len) != 0 || line[len] != ' ')
			continue;
		*value = strtoull(line + len, NULL, 10);
		return 0;
	}
	return -ENODATA;
}

/* What is in use may be above memory.high for a moment, while processes write. */
static int move_out(const struct cgroup_tree *t, const char *name, const char *text,
		    uint64_t bytes)
{
	uint64_t used = 0;

	for (unsigned int i = 0; i < LOOKS; i++) {
		int rc = write_file(t, name, "memory.high", text);

		if (rc == 0)
			rc = read_number(t, name, "memory.current", &used);
		if (rc < 0 || used <= bytes)
			return rc;
	}
	return -EBUSY;
}

/*
 * Version 2 ends processes if what is above a lower memory.max cannot be moved out. memory.high
 * moves out as much as it can and ends nobody: it is lowered first, and tells whether it works. It
 * goes up again each time: one who was killed in the middle has left it low.
 */
static int limit_v2(const struct cgroup_tree *t, const char *name, const char *text,
		    uint64_t bytes)
{
	uint64_t used = 0;
	int rc = read_number(t, name, "memory.current", &used);

	if (rc == 0 && used > bytes)
		rc = move_out(t, name, text, bytes);
	if (rc == 0)
		rc = write_file(t, name, "memory.max", text);
	write_file(t, name, "memory.high", "max");
	return rc;
}

int cgroup_limit(const struct cgroups *c, const char *name, uint64_t bytes, struct hy_err *e)
{
	const struct cgroup_tree *t = memory_tree(c);
	char text[32];
	int rc = check_name(name, e);

	if (rc < 0)
		return rc;
	if (bytes == CGROUP_NO_LIMIT)
		snprintf(text, sizeof(text), "%s", t->v2 ? "max" : "-1");
	else
		snprintf(text, sizeof(text), "%" PRIu64, bytes);
	rc = t->v2 ? limit_v2(t, name, text, bytes) :
		     write_file(t, name, "memory.limit_in_bytes", text);
	if (rc == -EBUSY)
		return hy_err_set(e, EBUSY, "cgroup '%s/%s': more than %" PRIu64 " bytes of memory "
				  "are in use, and what is above cannot be put into swap for now; "
				  "the old limit holds", c->group, name, bytes);
	if (rc < 0)
		return hy_err_set(e, -rc, "cgroup '%s/%s': set the limit to %s", c->group, name,
				  text);
	return 0;
}

static int memory_usage(const struct cgroup_tree *t, const char *name, struct cgroup_usage *u)
{
	const char *limit = t->v2 ? "memory.max" : "memory.limit_in_bytes";
	const char *now = t->v2 ? "memory.current" : "memory.usage_in_bytes";
	int rc = read_number(t, name, now, &u->memory_bytes);

	if (rc == 0)
		rc = read_number(t, name, limit, &u->limit_bytes);
	if (rc < 0)
		return rc;
	if (!t->v2 && u->limit_bytes >= V1_NO_LIMIT)
		u->limit_bytes = CGROUP_NO_LIMIT;
	/* not there if the kernel was started without swap accounting */
	rc = t->v2 ? read_number(t, name, "memory.swap.current", &u->swap_bytes) :
		     read_line(t, name, "memory.stat", "swap", &u->swap_bytes);
	return rc == -ENOENT || rc == -ENODATA ? 0 : rc;
}

static int cpu_usage(const struct cgroup_tree *t, const char *name, struct cgroup_usage *u)
{
	int rc;

	if (!t->v2)
		return read_number(t, name, "cpuacct.usage", &u->cpu_ns);
	rc = read_line(t, name, "cpu.stat", "usage_usec", &u->cpu_ns);
	u->cpu_ns *= 1000;
	return rc;
}

int cgroup_usage(const struct cgroups *c, const char *name, struct cgroup_usage *u,
		 struct hy_err *e)
{
	struct cgroup_usage got = { 0 };
	int rc = check_name(name, e);

	if (rc < 0)
		return rc;
	for (unsigned int i = 0; rc == 0 && i < c->n; i++) {
		if (c->tree[i].memory)
			rc = memory_usage(&c->tree[i], name, &got);
		if (rc == 0 && c->tree[i].cpu)
			rc = cpu_usage(&c->tree[i], name, &got);
	}
	if (rc < 0)
		return hy_err_set(e, -rc, "cgroup '%s/%s': read its usage", c->group, name);
	*u = got;
	return 0;
}

int cgroup_put(const struct cgroups *c, const char *name, pid_t pid, struct hy_err *e)
{
	char text[32];
	int rc = check_name(name, e);

	if (rc < 0)
		return rc;
	/* 0 would be the caller itself */
	if (pid <= 0)
		return hy_err_set(e, EINVAL, "process %d", pid);
	snprintf(text, sizeof(text), "%d", pid);
	for (unsigned int i = 0; rc == 0 && i < c->n; i++)
		rc = write_file(&c->tree[i], name, "cgroup.procs", text);
	if (rc < 0)
		return hy_err_set(e, -rc, "cgroup '%s/%s': put process %d in", c->group, name, pid);
	return 0;
}

int cgroup_door_open(const struct cgroups *c, const char *name, struct cgroup_door *door,
		     struct hy_err *e)
{
	struct cgroup_door opened = { .n = 0 };
	char path[PATH_ROOM];
	int rc = check_name(name, e);

	if (rc < 0)
		return rc;
	file_of(path, name, "cgroup.procs");
	while (opened.n < c->n) {
		int fd = openat(c->tree[opened.n].fd, path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0) {
			rc = hy_err_set(e, errno, "cgroup '%s/%s': open", c->group, name);
			cgroup_door_close(&opened);
			return rc;
		}
		opened.fd[opened.n++] = fd;
	}
	*door = opened;
	return 0;
}

int cgroup_enter(const struct cgroup_door *door)
{
	for (unsigned int i = 0; i < door->n; i++)
		if (write(door->fd[i], "0", 1) < 0)
			return -errno;
	return 0;
}

void cgroup_door_close(struct cgroup_door *door)
{
	while (door->n)
		close(door->fd[--door->n]);
}

/* Adds the processes of one cgroup to what is in @pids already. Returns how many it has, -errno. */
static int list_procs(int dir, pid_t *pids, size_t *n, size_t max)
{
	hy_autofd fd = openat(dir, "cgroup.procs", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	hy_autofile *f = fd < 0 ? NULL : fdopen(fd, "r");
	char line[32];
	int count = 0;

	if (!f)
		return -errno;
	hy_fd_steal(&fd);
	for (; fgets(line, sizeof(line), f); count++) {
		pid_t pid = (pid_t)strtol(line, NULL, 10);
		bool known = pid <= 0;	/* 0: of another process namespace */

		for (size_t i = 0; i < *n && !known; i++)
			known = pids[i] == pid;
		if (!known && *n < max)
			pids[(*n)++] = pid;
	}
	return count;
}

int cgroup_list(const struct cgroups *c, const char *name, pid_t *pids, size_t max,
		struct hy_err *e)
{
	size_t n = 0;
	int rc = check_name(name, e);

	if (rc < 0)
		return rc;
	for (unsigned int i = 0; i < c->n; i++) {
		hy_autofd dir = cgroup_dir(c->tree[i].fd, name);

		rc = dir < 0 ? -errno : list_procs(dir, pids, &n, max);
		if (rc < 0)
			return hy_err_set(e, -rc, "cgroup '%s/%s': list its processes", c->group,
					  name);
	}
	return (int)n;
}

static bool is_listed(pid_t pid, const pid_t *pids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

/*
 * A number read from the list may be another process's when it is used. So each is held by a pidfd
 * first, and the list is read again: who is in it under that number is who is held, or has ended.
 */
static int kill_procs(int dir)
{
	pid_t pids[KILL_BATCH], again[KILL_BATCH];
	int fds[KILL_BATCH];
	size_t n = 0, left = 0;
	int count = list_procs(dir, pids, &n, KILL_BATCH);

	for (size_t i = 0; i < n; i++)
		fds[i] = pidfd_open(pids[i], 0);
	if (n)
		list_procs(dir, again, &left, KILL_BATCH);
	for (size_t i = 0; i < n; i++) {
		if (fds[i] >= 0 && is_listed(pids[i], again, left))
			pidfd_send_signal(fds[i], SIGKILL, NULL, 0);
		hy_fd_close(&fds[i]);
	}
	return count;
}

struct kill_pass {
	unsigned int depth;		/* that may still be gone down */
	int count;
};

/* NOLINTBEGIN(misc-no-recursion): at most DEPTH_MAX deep */
static void kill_below(int parent, const char *name, void *arg)
{
	struct kill_pass *p = arg;
	hy_autofd dir = cgroup_dir(parent, name);
	int n = dir < 0 ? 0 : kill_procs(dir);

	if (n > 0)
		p->count += n;
	if (dir >= 0 && p->depth) {
		p->depth--;
		cgroup_children(dir, ".", kill_below, p);
		p->depth++;
	}
}
/* NOLINTEND(misc-no-recursion) */

int cgroup_kill(const struct cgroups *c, const char *name, struct hy_err *e)
{
	int most = 0;
	int rc = check_name(name, e);

	if (rc < 0)
		return rc;
	for (unsigned int i = 0; i < c->n; i++) {
		struct kill_pass p = { .depth = DEPTH_MAX };

		kill_below(c->tree[i].fd, name, &p);
		/* from Linux 5.14 on, and not to be outrun by forks; else it is just not there */
		if (c->tree[i].v2)
			write_file(&c->tree[i], name, "cgroup.kill", "1");
		if (p.count > most)
			most = p.count;
	}
	return most;
}

int cgroup_remove(const struct cgroups *c, const char *name, struct hy_err *e)
{
	int failed = 0;
	int rc = check_name(name, e);

	if (rc < 0)
		return rc;
	for (unsigned int i = 0; i < c->n; i++) {
		rc = cgroup_remove_tree(c->tree[i].fd, name);
		if (rc < 0)
			failed = rc;
	}
	if (failed)
		return hy_err_set(e, -failed, "cgroup '%s/%s': remove", c->group, name);
	return 0;
}
