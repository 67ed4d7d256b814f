/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * items.h - the stream towards the client: which pieces of it are accepted, and wait
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile)
 *
 * A piece that was accepted before is skipped, also in part: after a new session the guest says
 * again what it has not heard to be sent. One beyond the next byte is dropped: what is between was
 * given back to the guest (MSG_STUCK), which will say it again.
 */
#ifndef WORKER_ITEMS_H
#define WORKER_ITEMS_H

struct moves;
struct message;
struct conn;

int items_take(struct moves *m, const struct message *msg);	/* MSG_ITEM */

/* The item that is first is done, or the rest of them is void. */
void items_pop(struct moves *m, struct conn *c);
void items_drop(struct moves *m, struct conn *c);

#endif
