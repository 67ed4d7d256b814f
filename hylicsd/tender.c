/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tender.c - the work of a VM's tender: what tend.h has a job for
 *
 * Runs in: a job of hylicsd, inside the VM's cgroup
 * Reads from: no untrusted input; its parts read the share
 */
#include "hylicsd/tender.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/own.h"
#include "common/sandbox.h"

#define WALK_SHARE 10			/* of its time it walks so small a part at most */
#define WALK_REST_MAX_MS 20000
#define REST_MAX_MS 1000
#define BIT(cap) (UINT64_C(1) << (cap))
/* Files of any user by their handles; put out of memory, and O_NOATIME, is for their owner. */
#define RIGHTS (BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER))

int tender_share(int dir, struct hy_err *e)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME | MOUNT_ATTR_NOSUID |
			    MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		.attr_clr = MOUNT_ATTR__ATIME,
	};
	hy_autofd at = openat(dir, "share", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	hy_autofd copy = at < 0 ? -1 : open_tree(at, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
						 AT_EMPTY_PATH);
	int fd;

	if (copy < 0 || mount_setattr(copy, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return hy_err_set(e, errno, "the share: a mount of its own");
	fd = openat(copy, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? hy_err_set(e, errno, "the share: open its own mount") : fd;
}

static void show(struct tend_file *to, const struct files_row *row, uint64_t now)
{
	to->size_bytes = row->size_bytes;
	to->memory_bytes = row->memory_bytes;
	to->idle_ms = now > row->used_ms ? now - row->used_ms : 0;
	memcpy(to->path, row->path, sizeof(to->path));
}

static void fill(struct tender *t)
{
	struct tend_report *r = t->report;
	const struct files_row *row = TAILQ_LAST(&t->files->order, files_list);
	uint64_t now = hy_clock_ms();

	r->files = t->files->n;
	r->size_bytes = r->memory_bytes = r->n_shown = 0;
	for (; row; row = TAILQ_PREV(row, files_list, order)) {
		r->size_bytes += row->size_bytes;
		r->memory_bytes += row->memory_bytes;
		if (r->n_shown < HY_TEND_SHOWN_MAX)
			show(&r->shown[r->n_shown++], row, now);
	}
}

/* What hylicsd waits for is told at once. */
static void tell(struct tender *t)
{
	struct tender_board *b = t->job->board;
	bool news = b->report.limit_bytes != t->report->limit_bytes ||
		    b->report.stuck != t->report->stuck;
	const uint64_t one = 1;

	if (!news && hy_clock_ms() < t->tell_ms)
		return;
	t->tell_ms = hy_clock_ms() + HY_TEND_WALK_MIN_MS;
	fill(t);
	tender_board_tell(b, t->report);
	if (news)
		(void)!write(t->job->told, &one, sizeof(one));
}

int tender_hear(struct tender *t)
{
	int again = tender_limit_step(t);

	tell(t);
	return again;
}

static uint64_t walk_pause(const struct tender *t)
{
	uint64_t idle_ms = __atomic_load_n(&t->job->board->idle_ms, __ATOMIC_RELAXED);

	if (idle_ms == 0 || idle_ms / 4 > HY_TEND_WALK_MAX_MS)
		return HY_TEND_WALK_MAX_MS;
	return idle_ms / 4 < HY_TEND_WALK_MIN_MS ? HY_TEND_WALK_MIN_MS : idle_ms / 4;
}

/* It may have been stopped meanwhile, which is no work. */
static uint64_t rest_after(uint64_t walked_ms, uint64_t moved_ms)
{
	uint64_t rest = walked_ms * WALK_SHARE > moved_ms ? walked_ms * WALK_SHARE : moved_ms;

	return rest < WALK_REST_MAX_MS ? rest : WALK_REST_MAX_MS;
}

static void look(struct tender *t)
{
	uint64_t begun = hy_clock_ms(), walked, now, pause = walk_pause(t);
	bool more;

	tender_look(t);
	walked = hy_clock_ms();
	more = tender_put_out(t);
	now = hy_clock_ms();
	if (more)
		pause = HY_TEND_WALK_MIN_MS;
	t->soonest_ms = now + rest_after(walked - begun, now - walked);
	t->walk_ms = now + pause;
}

static void serve_opens(struct tender *t)
{
	uint64_t begun = hy_clock_ms(), rest;

	tender_uses_take(t);
	tender_bring_back(t);
	rest = hy_clock_ms() - begun;
	if (rest > REST_MAX_MS)
		rest = REST_MAX_MS;
	if (t->rest_ms < hy_clock_ms() + rest)
		t->rest_ms = hy_clock_ms() + rest;
	if (t->overflow)
		t->walk_ms = 0;		/* what was not told is looked for */
	t->overflow = false;
}

static int until(uint64_t due_ms)
{
	uint64_t now = hy_clock_ms();

	return due_ms > now ? (int)(due_ms - now) : 0;
}

static int sooner(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Until there is something to do; @wait_ms: a limit is tried again. */
static void wait_for_work(const struct tender *t, int wait_ms)
{
	int rest = until(t->rest_ms);
	struct pollfd fds[] = { { .fd = t->job->wake, .events = POLLIN },
				{ .fd = rest ? -1 : t->fan, .events = POLLIN } };
	uint64_t n;

	wait_ms = sooner(wait_ms, until(t->walk_ms));
	if (rest)
		wait_ms = sooner(wait_ms, rest);
	if (poll(fds, sizeof(fds) / sizeof(fds[0]), wait_ms) > 0 && fds[0].revents)
		(void)!read(t->job->wake, &n, sizeof(n));
}

/* What is idle may have become shorter meanwhile. */
static bool walk_is_due(struct tender *t)
{
	uint64_t pause = walk_pause(t), now = hy_clock_ms();

	if (t->walk_ms > now + pause)
		t->walk_ms = now + pause;
	if (t->walk_ms < t->soonest_ms)
		t->walk_ms = t->soonest_ms;
	return now >= t->walk_ms;
}

static _Noreturn void tend(struct tender *t)
{
	for (;;) {
		int again = tender_hear(t);

		if (until(t->rest_ms) == 0)
			serve_opens(t);
		if (walk_is_due(t))
			look(t);
		tell(t);
		wait_for_work(t, again);
	}
}

/* What is in force at the beginning is what the cgroup has. */
static int begin(struct tender *t, struct hy_err *e)
{
	struct cgroup_usage u = { 0 };
	int rc = job_enter(&t->job->door, e);

	if (rc == 0)
		rc = cgroup_usage(t->job->groups, t->job->name, &u, e);
	if (rc == 0)		/* all of it, whatever one who was killed has left */
		rc = cgroup_limit(t->job->groups, t->job->name, u.limit_bytes, e);
	if (rc < 0)
		return rc;
	t->in_force = u.limit_bytes > HY_VM_OVERHEAD ? u.limit_bytes - HY_VM_OVERHEAD : 0;
	t->going = t->report->limit_bytes = t->in_force;
	tender_uses_open(t);
	return hy_sandbox_bare(RIGHTS, e);
}

int tender_work(void *object, struct hy_err *e)
{
	struct tender t = { .job = object, .fan = -1 };
	int rc;

	t.files = malloc(sizeof(*t.files));
	t.report = calloc(1, sizeof(*t.report));
	rc = t.files && t.report ? begin(&t, e) : hy_err_set(e, ENOMEM, "a table of files");
	if (rc == 0) {
		files_open(t.files);
		tend(&t);
	}
	free(t.files);
	free(t.report);
	return rc;
}
