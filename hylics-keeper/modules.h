/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * modules.h - the modules of a VM: which are allowed, what the guest wants, what it is told
 *
 * Runs in: hylics-keeper
 * Reads from: the worker's word for what the guest wants (hostile); the operator's files (believed)
 *
 * A list says which modules the VM may use, and the files NAME.conf what they are. Both are read
 * again whenever the guest says what it wants, or hylicsd says that the list has changed. A module
 * that is not in it any more is ended. A guest that changes its mind without end is heard
 * HY_MODULES_CHANGES times, and then once in a while: what it has said last is what counts then.
 * docs/modules.md has the whole.
 */
#ifndef HY_KEEPER_MODULES_H
#define HY_KEEPER_MODULES_H

#include "common/show.h"
#include "hylics-keeper/bucket.h"
#include "hylics-keeper/modrun.h"

/* Allowed ones, and as many that are not any more but still end. */
#define MODULES_RUNS (2 * HY_MODULES_MAX)
#define MODULES_LEFT_MAX 64		/* ports where something is left of ended ones */

struct modules_config {
	const char *list;		/* file: a name in each line; NULL: there are none */
	const char *folder;		/* of the files NAME.conf */
	const char *vm, *share;
	uid_t uid;
	const struct twin *twin;
	struct ev_loop *loop;
	const struct hy_log *log;
	int file;			/* in which hylicsd finds how they are, -1: none */
	/* Tell the guest; -EAGAIN: not now */
	int (*tell)(void *object, const void *payload, size_t len);
	void *object;
};

struct modules {
	struct modules_config cfg;
	struct twin_desk desk;
	struct modrun_ground ground;
	struct modules_wanted wanted, next;	/* that holds; that was said last */
	struct bucket pace;			/* from one to the other */
	struct modrun run[MODULES_RUNS];
	bool allowed[MODULES_RUNS];
	bool untold;
	uint16_t left[MODULES_LEFT_MAX];
	unsigned int n_left;
	struct ev_timer look, apply, later;	/* later: next is to hold */
	uint64_t changes;		/* of what the file says */
	struct hy_show show;
	struct hy_log_rate rate;
};

/* Nothing runs yet; @m must stay where it is, and what @cfg points to, too. */
int modules_open(struct modules *m, const struct modules_config *cfg, struct hy_err *e);

/* What the guest wants, as the worker handed it on. */
void modules_take(struct modules *m, const uint8_t *payload, size_t len);

/* The list may have changed. */
void modules_again(struct modules *m);

/* The twin has other programs at an interface: what runs is to hold them, too. */
void modules_hold_again(struct modules *m);

/* End them all at once; harmless if modules_open() failed or was not called. */
void modules_close(struct modules *m);

#endif
