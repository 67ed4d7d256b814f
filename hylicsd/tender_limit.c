/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tender_limit.c - a tender sets the limit of the VM's memory
 *
 * Runs in: a tender, a job of hylicsd
 * Reads from: no untrusted input: what hylicsd wants, what the kernel says of the cgroup
 *
 * A limit goes down in steps, so that another word of hylicsd's is heard between two. It is told
 * only when all of it is had: what others get instead must not be taken back. If it cannot be had
 * the limit is again what it was, for a share without swap that is full to its limit is a share
 * whose virtiofsd the kernel ends.
 */
#include "hylicsd/tender.h"

#include <errno.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "hylicsd/job.h"

#define STEP_BYTES (16u << 20)
#define PAUSE_MIN_MS 1000
#define PAUSE_MAX_MS 60000
#define TRY_MS 1000			/* of one step; then it hears */
#define STEP_MS 30000			/* a step that takes longer cannot be had */

static int set(const struct tender *t, uint64_t bytes, struct hy_err *e)
{
	if (hy_fault(FAULT_TEND_LIMIT) < 0)
		return hy_err_set(e, EBUSY, "a fault step");
	return job_limit(t->job->groups, t->job->name, bytes + HY_VM_OVERHEAD, TRY_MS, e);
}

static void force(struct tender *t, uint64_t bytes)
{
	t->in_force = t->going = t->report->limit_bytes = bytes;
	t->refused = t->pause_ms = t->step_ms = 0;
}

/* Counted once for each that is wanted, tried again and again. */
static void refuse(struct tender *t, uint64_t wanted, const struct hy_err *e)
{
	if (t->refused != wanted) {
		t->report->stuck++;
		t->pause_ms = 0;
		hy_log_err(t->job->log, HY_LOG_WARN, e);
	}
	t->refused = wanted;
	t->pause_ms = hy_clock_pause(t->pause_ms, PAUSE_MIN_MS, PAUSE_MAX_MS);
	t->retry_ms = hy_clock_ms() + t->pause_ms;
	t->step_ms = 0;
	t->going = t->in_force;
	(void)cgroup_limit(t->job->groups, t->job->name, t->in_force + HY_VM_OVERHEAD, NULL);
}

/* The next limit on the way there: what is not in use goes at once, the rest step by step. */
static uint64_t next_step(const struct tender *t, uint64_t wanted)
{
	struct cgroup_usage u = { 0 };
	uint64_t from = t->going + HY_VM_OVERHEAD, to = wanted + HY_VM_OVERHEAD;

	if (cgroup_usage(t->job->groups, t->job->name, &u, NULL) == 0 && u.memory_bytes < from)
		from = u.memory_bytes;
	return from > to && from - to > STEP_BYTES ? from - STEP_BYTES - HY_VM_OVERHEAD : wanted;
}

/* It was held for a moment, or the guest fills what is emptied: whether that may still end. */
static bool may_go_on(const struct tender *t, int rc)
{
	return rc == -EINTR || (rc == -ETIMEDOUT && hy_clock_ms() - t->step_ms < STEP_MS);
}

static int go(struct tender *t, uint64_t wanted)
{
	uint64_t next = next_step(t, wanted);
	struct hy_err e = { 0 };
	int rc;

	if (!t->step_ms)
		t->step_ms = hy_clock_ms();
	rc = set(t, next, &e);
	if (may_go_on(t, rc))
		return 0;
	if (rc < 0) {
		refuse(t, wanted, &e);
		return (int)t->pause_ms;
	}
	t->step_ms = 0;
	if (next == wanted)
		force(t, wanted);
	else
		t->going = next;
	return 0;
}

int tender_limit_step(struct tender *t)
{
	uint64_t wanted = __atomic_load_n(&t->job->board->limit_bytes, __ATOMIC_ACQUIRE);
	uint64_t now = hy_clock_ms();

	if (wanted == t->in_force && t->going == t->in_force) {
		t->refused = 0;
		return -1;
	}
	if (wanted == t->refused && now < t->retry_ms)
		return (int)(t->retry_ms - now);
	return go(t, wanted);
}

void tender_limit_hold(const struct tender *t)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const uint64_t bytes = t->going + HY_VM_OVERHEAD;
	struct cgroup_usage u;

	if (t->in_force == 0 || cgroup_usage(t->job->groups, t->job->name, &u, NULL) < 0)
		return;
	if (u.limit_bytes != bytes / page * page)
		(void)cgroup_limit(t->job->groups, t->job->name, bytes, NULL);
}
