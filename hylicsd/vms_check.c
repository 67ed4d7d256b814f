/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vms_check.c - whether a VM may be as its record says, beside the others
 *
 * Runs in: hylicsd
 * Reads from: records that clients of the API wish for
 */
#include "hylicsd/vms_check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conf/path.h"
#include "hylicsd/content.h"
#include "hylicsd/swap.h"

/* A share that is there already is saved to where nothing is. */
static int check_room(const struct record *r, const struct vm *own, struct hy_err *e)
{
	int rc;

	if (!own || !vm_is_loaded(own) || !r->keep[0] || strcmp(r->keep, own->rec.keep) == 0)
		return 0;
	rc = content_room(r->keep, e);
	if (rc < 0 && e)
		snprintf(e->field, sizeof(e->field), "keep");
	return rc;
}

static int check_keep(const struct vms *vms, const struct record *r, const struct vm *own,
		      struct hy_err *e)
{
	const struct config *c = &vms->host.config;

	if (path_inside(r->keep, c->run_dir) || path_inside(r->keep, c->vms_dir) ||
	    path_inside(r->keep, c->modules_dir))
		return hy_err_usage(e, "keep", "keep '%.200s': is one of hylicsd's own directories",
				    r->keep);
	return check_room(r, own, e);
}

uint64_t vms_beyond_memory(const struct record *r)
{
	return r->size - record_least(r);
}

/* Of that, what is not there yet: the machine counts it as free. */
static uint64_t beyond_swapped(const struct host *h, const struct record *r)
{
	struct cgroup_usage u = { 0 };
	uint64_t bytes = vms_beyond_memory(r);

	if (!bytes || cgroup_usage(&h->cgroups, r->name, &u, NULL) < 0)
		return bytes;
	return bytes > u.swap_bytes ? bytes - u.swap_bytes : 0;
}

static uint64_t swap_promised(const struct vms *vms, const struct vm *without)
{
	uint64_t bytes = 0;
	const struct vm *vm;

	for (vm = TAILQ_FIRST(&vms->list); vm; vm = TAILQ_NEXT(vm, next))
		if (vm != without)
			bytes += beyond_swapped(&vms->host, &vm->rec);
	return bytes;
}

static int no_swap(const struct vms *vms, const struct record *r, uint64_t left, struct hy_err *e)
{
	unsigned long long of[3] = { r->size >> 20, record_least(r) >> 20, left >> 20 };
	const struct hy_err *why = &vms->swap.why;

	if (vms->swap.state == SWAP_TIER_MAKING)
		return hy_err_set(e, EAGAIN, "the swap file is being made");
	hy_err_set(e, EDQUOT, "size %lluM with memory %lluM: the rest is for swap, of which %lluM "
		   "are free and not promised; add swap, or leave memory out%s%s", of[0], of[1],
		   of[2], why->num ? "; " : "", why->text);
	snprintf(e->field, sizeof(e->field), "memory");
	return -EDQUOT;
}

/* Without swap a share that is larger than its memory ends in the kernel killing its virtiofsd. */
static int check_swap(const struct vms *vms, const struct record *r, const struct vm *own,
		      struct hy_err *e)
{
	uint64_t promised, wanted = vms_beyond_memory(r), left = 0;
	int rc;

	if (wanted <= (own ? vms_beyond_memory(&own->rec) : 0))
		return 0;
	rc = swap_free(&left, e);
	if (rc < 0)
		return rc;
	promised = swap_promised(vms, own);
	left = left > promised ? left - promised : 0;
	return beyond_swapped(&vms->host, r) <= left ? 0 : no_swap(vms, r, left, e);
}

/* Under a guest that has it mounted a share cannot go another way. */
static int check_export(const struct record *r, const struct vm *own, struct hy_err *e)
{
	int rc = own && own->rec.export != r->export ? vm_in_use(own, e) : 0;

	if (rc < 0 && e)
		snprintf(e->field, sizeof(e->field), "export");
	return rc;
}

int vms_check(struct vms *vms, const struct record *r, const struct vm *own, struct hy_err *e)
{
	struct budget b = vms_budget(vms, own);
	struct vm *other;
	int rc = record_check(r, e);

	if (rc == 0)
		rc = check_keep(vms, r, own, e);
	if (rc == 0)
		rc = check_swap(vms, r, own, e);
	if (rc == 0)
		rc = check_export(r, own, e);
	for (other = TAILQ_FIRST(&vms->list); other; other = TAILQ_NEXT(other, next))
		if (rc == 0 && other != own)
			rc = record_clash(r, &other->rec, e);
	if (rc == 0)
		rc = budget_check(&b, r, e);
	return rc == 0 ? govern_room(&vms->govern, r, own, e) : rc;
}
