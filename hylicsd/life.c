/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * life.c - how a VM's pieces are made in order, taken away in reverse, and mended
 *
 * Runs in: hylicsd
 * Reads from: no untrusted input
 */
#include "hylicsd/life.h"

#include <errno.h>
#include <stddef.h>

#include "common/fault.h"

static const char *const state_names[] = {
	[LIFE_ABSENT] = "absent", [LIFE_MAKING] = "making", [LIFE_READY] = "ready",
	[LIFE_DEGRADED] = "degraded", [LIFE_UNMAKING] = "unmaking",
};

const char *life_state_name(enum life_state state)
{
	return state_names[state];
}

const char *life_piece_name(const struct life *l)
{
	return l->state == LIFE_MAKING || l->state == LIFE_UNMAKING ? l->pieces[l->at].name : NULL;
}

static void settle(struct life *l, enum life_state state)
{
	l->state = state;
	l->settled(l->vm, l->why.num ? -l->why.num : 0, &l->why);
}

static void begin_unmaking(struct life *l)
{
	l->state = LIFE_UNMAKING;
	l->at = l->n - 1;
}

/* The first failure is the one that is told: what follows from it explains nothing. */
static void note(struct life *l, const struct hy_err *e)
{
	if (l->why.num)
		return;
	l->why = *e;
	hy_err_add(&l->why, "%s", l->pieces[l->at].name);
}

/* The piece at work has come to its end. Returns whether there is another to be worked on. */
static bool next(struct life *l, int rc, const struct hy_err *e)
{
	if (rc < 0)
		note(l, e);
	if (rc < 0 && l->state == LIFE_MAKING && l->first) {
		begin_unmaking(l);
		return true;
	}
	if (rc < 0) {
		settle(l, LIFE_DEGRADED);
		return false;
	}
	if (l->state == LIFE_MAKING && ++l->at < l->n)
		return true;
	if (l->state == LIFE_UNMAKING && l->at-- > 0)
		return true;
	settle(l, l->state == LIFE_MAKING ? LIFE_READY : LIFE_ABSENT);
	return false;
}

static int work(struct life *l, struct hy_err *e)
{
	const struct life_piece *p = &l->pieces[l->at];

	if (hy_fault(l->state == LIFE_MAKING ? FAULT_VM_MAKE : FAULT_VM_UNMAKE) < 0)
		return hy_err_set(e, EIO, "a fault step");
	if (l->state == LIFE_MAKING)
		return p->make(l->vm, e);
	return p->unmake ? p->unmake(l->vm, l->force, e) : 0;
}

static void go_on(struct life *l)
{
	struct hy_err e;
	int rc;

	do {
		e = (struct hy_err){ 0 };
		rc = work(l, &e);
	} while (rc != LIFE_LATER && next(l, rc, &e));
}

static int may_begin(const struct life *l, struct hy_err *e)
{
	if (l->state != LIFE_MAKING && l->state != LIFE_UNMAKING)
		return 0;
	return hy_err_set(e, EBUSY, "%s is under way ('%s')",
			  l->state == LIFE_MAKING ? "making" : "taking down",
			  life_piece_name(l));
}

int life_make(struct life *l, bool first, struct hy_err *e)
{
	int rc = may_begin(l, e);

	if (rc < 0)
		return rc;
	l->state = LIFE_MAKING;
	l->at = 0;
	l->first = first;
	l->force = first;		/* what a failed start leaves, nobody uses */
	l->why = (struct hy_err){ 0 };
	go_on(l);
	return 0;
}

int life_unmake(struct life *l, bool force, struct hy_err *e)
{
	int rc = may_begin(l, e);

	if (rc < 0)
		return rc;
	begin_unmaking(l);
	l->force = force;
	l->why = (struct hy_err){ 0 };
	go_on(l);
	return 0;
}

void life_done(struct life *l, int rc, const struct hy_err *e)
{
	if (next(l, rc, e))
		go_on(l);
}

void life_lost(struct life *l, const struct hy_err *e)
{
	if (l->state != LIFE_READY)
		return;
	l->why = *e;
	l->state = LIFE_DEGRADED;
}
