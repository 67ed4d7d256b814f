/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wall_cgroup.c - the cgroups of a wall: the one thing of it that the kernel does not remove
 *
 * Runs in: hylics
 * Reads from: the cgroup file systems of this machine
 */
#include "cli/wall_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "common/cgroup_tree.h"
#include "common/clock.h"
#include "common/owner.h"

#define NAME_START "hylics-lab-"
#define BUSY_WAIT_MS 2000
#define BUSY_PAUSE_MS 10

/* One look through all hierarchies. */
struct pass {
	const char *place;	/* the mount point looked at */
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

static int remove_when_idle(int parent, const char *name)
{
	const struct timespec pause = { .tv_nsec = BUSY_PAUSE_MS * (long)HY_NS_PER_MS };
	uint64_t deadline_ms = hy_clock_ms() + BUSY_WAIT_MS;
	int rc = cgroup_remove_tree(parent, name);

	while (rc == -EBUSY && hy_clock_ms() < deadline_ms) {
		nanosleep(&pause, NULL);
		rc = cgroup_remove_tree(parent, name);
	}
	return rc;
}

static void visit_cgroup(int dir, const char *entry, void *arg)
{
	struct pass *p = arg;
	int rc;

	if (p->name ? !belongs_to(entry, p->name) : !owner_dead(entry))
		return;
	rc = remove_when_idle(dir, entry);
	if (rc == 0)
		p->removed++;
	else if (p->rc == 0)
		p->rc = hy_err_set(p->e, -rc, "cgroup '%s/%s': remove", p->place, entry);
}

static void visit_hierarchy(const struct cgroup_mount *m, void *arg)
{
	struct pass *p = arg;

	p->place = m->place;
	cgroup_children(AT_FDCWD, m->place, visit_cgroup, p);
}

static int visit_hierarchies(struct pass *p)
{
	int rc = cgroup_mounts(visit_hierarchy, p, p->e);

	return rc < 0 ? rc : p->rc;
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
