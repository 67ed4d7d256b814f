/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_cgroup.c - cgroups of version 1 and 2: made, limited, read, emptied, removed
 *
 * Runs in: a host or guest with a memory controller, as root
 * Reads from: no untrusted input
 */
#include "tests/probes/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cgroup.h"
#include "common/own.h"
#include "tests/hylicsd/ground.h"

#define MIB ((uint64_t)1 << 20)
#define LIMIT (64 * MIB)
#define FILL (24 * MIB)
#define CHILDREN 200			/* more than one batch of cgroup_kill() */

struct world {
	struct cgroups c;
	int share;			/* a tmpfs that cannot be put out: no swap in the test */
};

static bool empty(void *arg)
{
	const struct cgroups *c = arg;
	pid_t pid;

	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return cgroup_list(c, "vm1", &pid, 1, NULL) == 0;
}

static bool removed(void *arg)
{
	return cgroup_remove(arg, "vm1", NULL) == 0;
}

static unsigned int count_dirs(const struct cgroups *c, const char *name)
{
	struct stat st;
	unsigned int n = 0;

	for (unsigned int i = 0; i < c->n; i++)
		n += fstatat(c->tree[i].fd, name, &st, 0) == 0;
	return n;
}

static void check_names(const struct cgroups *c)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "-a", "A", "a.b", "a b", "\n",
		"0123456789012345678901234567890123456789012345678901234567890123" };
	static const char *const bad_groups[] = { "", "/", "a//b", "a/", "../x", "a/./b", "a b",
		"a/..", "a\n" };
	struct hy_err e = { 0 };
	struct cgroup_door door;
	struct cgroup_usage u;
	struct cgroups other;
	unsigned int refused = 0;
	pid_t pid;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused += cgroup_make(c, bad[i], &e) == -EINVAL &&
			   cgroup_limit(c, bad[i], 0, &e) == -EINVAL &&
			   cgroup_usage(c, bad[i], &u, &e) == -EINVAL &&
			   cgroup_put(c, bad[i], getpid(), &e) == -EINVAL &&
			   cgroup_door_open(c, bad[i], &door, &e) == -EINVAL &&
			   cgroup_list(c, bad[i], &pid, 1, &e) == -EINVAL &&
			   cgroup_kill(c, bad[i], &e) == -EINVAL &&
			   cgroup_remove(c, bad[i], &e) == -EINVAL;
	probe_check(refused == sizeof(bad) / sizeof(bad[0]),
		    "names: %u bad ones are refused everywhere", refused);
	refused = 0;
	for (size_t i = 0; i < sizeof(bad_groups) / sizeof(bad_groups[0]); i++)
		refused += cgroup_open(&other, bad_groups[i], &e) == -EINVAL;
	probe_check(refused == sizeof(bad_groups) / sizeof(bad_groups[0]),
		    "names: %u bad groups are refused", refused);
}

static void check_make(const struct cgroups *c)
{
	struct hy_err e = { 0 };
	struct cgroup_usage u;

	probe_check(cgroup_usage(c, "vm1", &u, &e) == -ENOENT, "make: at first there is none");
	ground_try(cgroup_make(c, "vm1", &e), &e);
	probe_check(count_dirs(c, "vm1") == c->n, "make: it is in all %u hierarchies", c->n);
	probe_check(cgroup_make(c, "vm1", &e) == 0, "make: again is harmless");
	ground_try(cgroup_usage(c, "vm1", &u, &e), &e);
	probe_check(u.limit_bytes == CGROUP_NO_LIMIT && u.cpu_ns == 0 && u.swap_bytes == 0,
		    "make: a new one has no limit and has used nothing");
}

/* With the last hierarchy in the way, nothing may stay in the first. */
static void check_rollback(const struct cgroups *c)
{
	struct cgroups broken = *c;
	struct hy_err e = { 0 };

	if (c->n < 2) {
		probe_skip("make: a failure leaves nothing", "one hierarchy only");
		return;
	}
	broken.tree[1].fd = -1;
	probe_check(cgroup_make(&broken, "vm2", &e) < 0 && count_dirs(c, "vm2") == 0,
		    "make: a failure leaves nothing");
}

static void fill(int share, uint64_t bytes)
{
	_exit(ground_write(share, "file", bytes, 1) < 0 ? 1 : 0);
}

static int run_inside(struct world *w, uint64_t bytes)
{
	struct hy_err e = { 0 };
	struct cgroup_door door;
	pid_t pid;

	ground_try(cgroup_door_open(&w->c, "vm1", &door, &e), &e);
	pid = probe_fork();
	if (pid == 0) {
		if (cgroup_enter(&door) < 0)
			_exit(2);
		fill(w->share, bytes);
	}
	cgroup_door_close(&door);
	return probe_join(pid);
}

static void check_limit(struct world *w)
{
	struct hy_err e = { 0 };
	struct cgroup_usage u;
	uint64_t used;

	ground_try(cgroup_limit(&w->c, "vm1", LIMIT, &e), &e);
	ground_try(cgroup_usage(&w->c, "vm1", &u, &e), &e);
	probe_check(u.limit_bytes == LIMIT, "limit: it is set");
	probe_check(run_inside(w, FILL) == 0, "limit: a process goes in and writes to the share");
	ground_try(cgroup_usage(&w->c, "vm1", &u, &e), &e);
	used = u.memory_bytes;
	probe_check(used >= FILL && used <= LIMIT && u.cpu_ns > 0,
		    "usage: %" PRIu64 " KiB and %" PRIu64 " us stay after its end", used / 1024,
		    u.cpu_ns / 1000);
	if (u.swap_bytes == 0 && cgroup_limit(&w->c, "vm1", FILL / 2, &e) == 0) {
		probe_skip("limit: refused if nothing can be put out", "somebody's swap is on");
		return;
	}
	probe_check(e.num == EBUSY && strstr(e.text, "old limit holds"),
		    "limit: one that cannot be reached is refused: %s", e.text);
	ground_try(cgroup_usage(&w->c, "vm1", &u, &e), &e);
	probe_check(u.limit_bytes == LIMIT, "limit: and the old one holds");
	ground_try(cgroup_limit(&w->c, "vm1", 48 * MIB, &e), &e);
	ground_try(cgroup_limit(&w->c, "vm1", CGROUP_NO_LIMIT, &e), &e);
	ground_try(cgroup_usage(&w->c, "vm1", &u, &e), &e);
	probe_check(u.limit_bytes == CGROUP_NO_LIMIT, "limit: lower with room, then none");
}

/* What a lower limit cannot reach must not end who lives there; version 2 would. */
static void check_nobody_ends(struct world *w)
{
	const char *what = "limit: a process inside lives on when one is refused";
	struct cgroup_usage u = { 0 };
	struct hy_err e = { 0 };
	pid_t pid = probe_fork();
	bool lives;
	int rc;

	if (pid == 0) {
		pause();
		_exit(0);
	}
	ground_try(cgroup_put(&w->c, "vm1", pid, &e), &e);
	rc = cgroup_limit(&w->c, "vm1", MIB, &e);
	lives = waitpid(pid, NULL, WNOHANG) == 0;
	ground_try(cgroup_usage(&w->c, "vm1", &u, &e), &e);
	if (rc == 0 && lives && u.swap_bytes > 0)
		probe_skip(what, "somebody's swap is on");
	else
		probe_check(rc == -EBUSY && lives, "%s", what);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void check_processes(struct world *w)
{
	const struct cgroups *c = &w->c;
	struct hy_err e = { 0 };
	pid_t pids[CHILDREN + 1];
	pid_t outside = probe_fork();
	unsigned int tries = 0;
	int n, killed;

	if (outside == 0) {
		pause();
		_exit(0);
	}
	for (int i = 0; i < CHILDREN; i++) {
		pids[i] = probe_fork();
		if (pids[i] == 0) {
			pause();
			_exit(0);
		}
		ground_try(cgroup_put(c, "vm1", pids[i], &e), &e);
	}
	n = cgroup_list(c, "vm1", pids, CHILDREN + 1, &e);
	probe_check(n == CHILDREN, "processes: %d are listed, each once", n);
	n = cgroup_list(c, "vm1", pids, 10, &e);
	probe_check(n == 10, "processes: no more than there is room for");
	probe_check(cgroup_remove(c, "vm1", &e) == -EBUSY, "remove: refused with somebody inside");
	probe_check(cgroup_put(c, "vm1", 0, &e) == -EINVAL && cgroup_put(c, "vm1", -1, &e) < 0,
		    "processes: 0 and -1 are nobody");
	killed = cgroup_kill(c, "vm1", &e);
	probe_check(killed == CHILDREN, "kill: %d were found", killed);
	while (!empty((void *)c) && tries++ < 1000)
		cgroup_kill(c, "vm1", &e);
	probe_check(probe_wait_until(empty, (void *)c), "kill: all have ended");
	probe_check(waitpid(outside, NULL, WNOHANG) == 0, "kill: who is outside lives");
	kill(outside, SIGKILL);
	waitpid(outside, NULL, 0);
}

/* A process as root in a VM's cgroup may have made one below. */
static void check_below(struct world *w)
{
	const struct cgroups *c = &w->c;
	struct hy_err e = { 0 };
	pid_t pid = probe_fork();
	char text[16];
	unsigned int inside = 0;

	if (pid == 0) {
		pause();
		_exit(0);
	}
	snprintf(text, sizeof(text), "%d", pid);
	for (unsigned int i = 0; i < c->n; i++) {
		hy_autofd procs = -1;

		mkdirat(c->tree[i].fd, "vm1/below", 0755);
		mkdirat(c->tree[i].fd, "vm1/below/deep", 0755);
		procs = openat(c->tree[i].fd, "vm1/below/deep/cgroup.procs", O_WRONLY | O_CLOEXEC);
		inside += procs >= 0 && write(procs, text, strlen(text)) > 0;
	}
	probe_check(inside == c->n && cgroup_kill(c, "vm1", &e) == 1,
		    "kill: also who is two levels below");
	probe_check(waitpid(pid, NULL, 0) == pid, "kill: he has ended");
	probe_check(probe_wait_until(removed, (void *)c) && count_dirs(c, "vm1") == 0,
		    "remove: with all below it");
	probe_check(cgroup_remove(c, "vm1", &e) == 0 && cgroup_kill(c, "vm1", &e) == 0,
		    "remove: again is harmless");
}

static void see(int dir, const char *name, void *arg)
{
	unsigned int *n = arg;

	(void)dir;
	*n += strcmp(name, "vm1") == 0;
}

int main(void)
{
	struct world w;
	struct hy_err e = { 0 };
	unsigned int seen = 0;

	probe_begin(60);
	w.share = ground_make();
	ground_cgroups(&w.c);
	check_names(&w.c);
	check_make(&w.c);
	ground_try(cgroup_each(&w.c, see, &seen, &e), &e);
	probe_check(seen == w.c.n, "each: the cgroup is named in each hierarchy");
	check_rollback(&w.c);
	check_limit(&w);
	check_nobody_ends(&w);
	check_processes(&w);
	check_below(&w);
	close(w.share);
	probe_check(ground_cgroups_end(&w.c), "GROUP is gone");
	return probe_end("cgroups of version %s", w.c.tree[0].v2 ? "2" : "1");
}
