/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * offer.h - a connection comes: from the guest's offer to a living copy
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile)
 *
 * The copy is frozen until it goes live, so that nothing a client sends in between is
 * acknowledged by a copy that may yet have to vanish. The keeper gets it while it is silent: a
 * worker that dies before the copy speaks has done nothing, one that dies after it is succeeded.
 */
#ifndef WORKER_OFFER_H
#define WORKER_OFFER_H

#include "proto/reason.h"

struct moves;
struct message;

/* Why nothing may come just now, MOVE_DONE: it may. */
enum move_reason offer_closed(const struct moves *m);

int offer_take(struct moves *m, const struct message *msg);		/* MSG_OFFER */
int offer_take_queue(struct moves *m, const struct message *msg);	/* a chunk of MSG_QUEUE */
int offer_take_cancel(struct moves *m, const struct message *msg);	/* MSG_CANCEL */

#endif
