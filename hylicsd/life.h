/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * life.h - how a VM's pieces are made in order, taken away in reverse, and mended
 *
 * Runs in: hylicsd
 * Reads from: no untrusted input
 *
 * DOC: States
 *
 * absent	Nothing of the VM is there. May: make.
 * making	Pieces are made one after the other; one that is there already is left, or brought
 *		to what the record says. May: nothing; who asks is told "busy".
 * ready	All pieces are there. May: make (again, when the record has changed), unmake, lose
 *		one.
 * degraded	A piece could not be made or taken away, or was lost; why says so. May: make,
 *		unmake.
 * unmaking	Pieces are taken away in reverse. May: nothing.
 *
 *	from		what				to
 *	absent		make				making
 *	making		the last piece is there		ready
 *	making		a piece failed, first time	unmaking: nobody knows of the VM yet
 *	making		a piece failed, otherwise	degraded
 *	ready		a piece was lost		degraded
 *	ready, degraded	make				making
 *	ready, degraded	unmake				unmaking
 *	unmaking	the first piece is gone		absent
 *	unmaking	a piece would not go		degraded
 *
 * A piece that takes its time says "later", and its owner calls life_done() from another event.
 * This file does nothing itself; what the pieces are is in vm.c.
 */
#ifndef HYLICSD_LIFE_H
#define HYLICSD_LIFE_H

#include <stdbool.h>

#include "common/err.h"

enum life_state { LIFE_ABSENT, LIFE_MAKING, LIFE_READY, LIFE_DEGRADED, LIFE_UNMAKING };

#define LIFE_LATER 1

struct life_piece {
	const char *name;
	/*
	 * Harmless when the piece is there (or gone) already, in whole or in part.
	 * Return: 0, LIFE_LATER, -errno
	 */
	int (*make)(void *vm, struct hy_err *e);
	int (*unmake)(void *vm, bool force, struct hy_err *e);	/* NULL: nothing to take away */
};

struct life {
	const struct life_piece *pieces;
	unsigned int n;
	/* A make or unmake has come to its end; @e is its failure, if @rc is negative. */
	void (*settled)(void *vm, int rc, const struct hy_err *e);
	void *vm;
	/* its own */
	enum life_state state;
	unsigned int at;		/* the piece at work, while making or unmaking */
	bool first;			/* nobody has been told that the VM is there */
	bool force;
	struct hy_err why;		/* while degraded; the failure that is being undone */
};

/**
 * life_make() - Make what is missing, and bring what is there to what the record says
 * @l:		pieces, n, settled and vm filled, the rest zeroed before the first call
 * @first:	A failure takes everything away again
 * @e:		Error: EBUSY while something is under way
 *
 * Return: 0, settled() has been called or will be; -errno, and it will not
 */
int life_make(struct life *l, bool first, struct hy_err *e);

/**
 * life_unmake() - Take everything away
 * @l:		As for life_make()
 * @force:	Whatever uses it
 * @e:		Error: EBUSY while something is under way
 *
 * Return: as life_make()
 */
int life_unmake(struct life *l, bool force, struct hy_err *e);

/**
 * life_done() - A piece that said "later" has come to its end
 * @l:	In whose making or unmaking it was
 * @rc:	0 or -errno
 * @e:	Its failure
 */
void life_done(struct life *l, int rc, const struct hy_err *e);

/**
 * life_lost() - A piece that was there is gone
 * @l:	Nothing happens unless it is ready
 * @e:	How, for who asks why
 */
void life_lost(struct life *l, const struct hy_err *e);

/* "absent", "making", ... */
const char *life_state_name(enum life_state state);

/* The piece at work, NULL if none is. */
const char *life_piece_name(const struct life *l);

#endif
