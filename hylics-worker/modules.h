/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * modules.h - what guest and keeper say to each other of modules passes through here
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile); its keeper (believed)
 *
 * The keeper runs them; it answers each list of what is wanted with the state of all. What of that
 * has no room in the channel is lost, and asked for again when there is some.
 */
#ifndef HY_WORKER_MODULES_H
#define HY_WORKER_MODULES_H

#include <stdbool.h>

#include "channel/chan.h"
#include "common/keep.h"
#include "proto/modules.h"

struct modules {
	uint8_t wanted[MODULES_WANTED_MAX];	/* as the guest said it last */
	size_t len;				/* 0: nothing was said in this session */
	uint64_t number;			/* of that list */
	bool lost;				/* something the keeper said */
};

struct moves;

/* MSG_MODULES_WANTED */
int modules_take_wanted(struct moves *m, const struct message *msg);

/* From the keeper: to be handed on, if it is that. */
void modules_tell(struct moves *m, const struct keep_later *l);

/* The channel has room again; a session has ended. */
void modules_room(struct moves *m);
void modules_down(struct moves *m);

#endif
