/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * swap_tier.c - the swap file of the configuration: made at the start, removed when nobody needs it
 *
 * Runs in: hylicsd and its jobs
 * Reads from: configuration (believed); links in the state directory
 */
#include "hylicsd/swap_tier.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/own.h"
#include "hylicsd/swap.h"

#define STATE_MODE 0755
#define LINK "swap-file"
#define OLD_LINK "swap-file.old"

/* -- the job -- */

/* Where a link points. Returns whether there is one. */
static bool read_link(int dir, const char *name, char path[HY_PATH_MAX + 1])
{
	ssize_t n = readlinkat(dir, name, path, HY_PATH_MAX + 1);

	if (n <= 0 || n > HY_PATH_MAX)
		return false;
	path[n] = '\0';
	return true;
}

/* A file that is not ours (any more) is none of our business. */
static int drop(int dir, const char *name, struct hy_err *e)
{
	char path[HY_PATH_MAX + 1];
	int rc = read_link(dir, name, path) ? swap_unmake(path, e) : 0;

	if (rc < 0 && rc != -EEXIST && rc != -ENOENT)
		return rc;
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return hy_err_set(e, errno, "'%s' of the state directory", name);
	return 0;
}

/* What another configuration had. There is room for one such file. */
static int put_aside(const struct swap_tier *t, int dir, struct hy_err *e)
{
	char path[HY_PATH_MAX + 1];
	int rc;

	if (!read_link(dir, LINK, path) || strcmp(path, t->config->swap_file) == 0)
		return 0;
	if (read_link(dir, OLD_LINK, path)) {
		if (t->needed)
			return hy_err_set(e, EBUSY, "swap file '%s': of an earlier configuration, "
					  "and in need; no third one is made", path);
		rc = drop(dir, OLD_LINK, e);
		if (rc < 0)
			return rc;
	}
	if (renameat(dir, LINK, dir, OLD_LINK) < 0)
		return hy_err_set(e, errno, "'%s' of the state directory", LINK);
	return 0;
}

static int make_new(const struct swap_tier *t, int dir, struct hy_err *e)
{
	const char *path = t->config->swap_file;

	if (!path[0])
		return 0;
	if (symlinkat(path, dir, LINK) < 0 && errno != EEXIST)
		return hy_err_set(e, errno, "'%s/%s'", t->config->state_dir, LINK);
	return swap_make(path, t->config->swap_size, t->needed, e);
}

static int open_state(const struct swap_tier *t, struct hy_err *e)
{
	const char *path = t->config->state_dir;
	int fd;

	if (mkdir(path, STATE_MODE) < 0 && errno != EEXIST)
		return hy_err_set(e, errno, "state directory '%s'", path);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? hy_err_set(e, errno, "state directory '%s'", path) : fd;
}

/* Return: the state directory */
static int begin(const struct swap_tier *t, struct hy_err *e)
{
	hy_autofd dir = open_state(t, e);

	if (dir < 0)
		return dir;
	if (hy_fault(FAULT_VM_SWAP) < 0)
		return hy_err_set(e, EIO, "a fault step");
	return hy_fd_steal(&dir);
}

static int make(void *object, struct hy_err *e)
{
	const struct swap_tier *t = object;
	struct hy_err old = { 0 };
	hy_autofd dir = begin(t, e);
	int rc;

	if (dir < 0)
		return dir;
	rc = put_aside(t, dir, e);
	if (rc == 0)
		rc = make_new(t, dir, e);
	/* last: what is in the old one may go into the new one */
	if (!t->needed && drop(dir, OLD_LINK, &old) < 0)
		hy_log_err(t->log, HY_LOG_WARN, &old);
	return rc;
}

static int unmake(void *object, struct hy_err *e)
{
	struct hy_err old = { 0 };
	const struct swap_tier *t = object;
	hy_autofd dir = begin(t, e);
	int rc;

	if (dir < 0)
		return dir;
	rc = drop(dir, LINK, e);
	if (drop(dir, OLD_LINK, &old) < 0)
		hy_log_err(t->log, HY_LOG_WARN, &old);
	return rc;
}

/* -- hylicsd -- */

static bool has_link(const struct swap_tier *t, const char *name)
{
	char path[HY_PATH_MAX + 1];
	hy_autofd dir = open(t->config->state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return dir >= 0 && read_link(dir, name, path);
}

static bool is_nothing(const struct swap_tier *t)
{
	return !t->config->swap_file[0] && !has_link(t, LINK) && !has_link(t, OLD_LINK);
}

static bool start(struct swap_tier *t, enum swap_tier_state state);

static void job_done(void *object, int rc, const struct hy_err *e)
{
	struct swap_tier *t = object;
	bool made = t->state == SWAP_TIER_MAKING;

	t->why = (struct hy_err){ 0 };
	t->state = made && t->config->swap_file[0] ? SWAP_TIER_ON : SWAP_TIER_NONE;
	if (rc < 0) {
		t->why = *e;
		t->state = SWAP_TIER_FAILED;
		hy_log_err(t->log, HY_LOG_WARN, &t->why);
	}
	if (made && t->ends && start(t, SWAP_TIER_LEAVING))
		return;
	t->settled(t->object);
}

static bool start(struct swap_tier *t, enum swap_tier_state state)
{
	const struct job_spec job = {
		.name = state == SWAP_TIER_MAKING ? "make the swap file" : "remove the swap file",
		.work = state == SWAP_TIER_MAKING ? make : unmake, .object = t,
	};

	t->state = state;
	t->job.done = job_done;
	t->job.object = t;
	if (job_start(&t->job, t->loop, &job, &t->why) == 0)
		return true;
	t->state = SWAP_TIER_FAILED;
	hy_log_err(t->log, HY_LOG_WARN, &t->why);
	return false;
}

bool swap_tier_open(struct swap_tier *t, bool needed)
{
	t->needed = needed;
	return !is_nothing(t) && start(t, SWAP_TIER_MAKING);
}

bool swap_tier_end(struct swap_tier *t)
{
	t->needed = false;
	t->ends = true;
	if (job_runs(&t->job))
		return true;		/* its end begins the other one */
	return !is_nothing(t) && start(t, SWAP_TIER_LEAVING);
}

void swap_tier_close(struct swap_tier *t)
{
	if (!job_runs(&t->job))
		return;
	ev_child_forget(&t->job.child);
	hy_fd_close(&t->job.hear);
}
