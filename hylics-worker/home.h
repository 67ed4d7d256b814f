/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * home.h - a connection goes home into the guest: drained, frozen, offered, closed
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile)
 *
 * DOC: Leaving
 *
 * A worker that is told to end brings everything home first, HY_HOMES_MAX connections at a time,
 * and ends with code 0. It waits for the guest if it has no session, but not longer than
 * HY_WORKER_LEAVE_MS since the last one went, nor HY_WORKER_LEAVE_MOST_MS in all. What cannot go
 * home then (the guest refuses, the connection is half closed, nobody there) is left to whoever
 * keeps duplicates, and the code is not 0. If any went home it then waits until the guest has heard
 * all of that (chan_finish()), HY_WORKER_HEARD_MS at most: the other side of a port may never read
 * what stands in it when this one closes. Told a second time to end, it waits for nothing.
 *
 * A worker that is told to move nothing (common/moving.h) does the same and goes on: what is
 * offered is refused, what would not go home is asked again when it is told once more, or in the
 * next session.
 */
#ifndef WORKER_HOME_H
#define WORKER_HOME_H

struct moves;
struct message;
struct conn;

int home_take(struct moves *m, const struct message *msg);		/* MSG_HOME */
int home_take_taken(struct moves *m, const struct message *msg);	/* MSG_HOME_TAKEN */

/* Begin to drain, if the connection can go home at all. */
void home_begin(struct moves *m, struct conn *c);

/* A DRAINING connection is not to go home after all. */
void home_cancel(struct moves *m, struct conn *c);

/* A HOMING connection goes on here. */
void home_undo(struct moves *m, struct conn *c);

/* Look after all that drain: the timer, or the channel has room again. */
void home_look(struct moves *m);

/* If all are to go home: ask more connections, and see whether leaving is over. */
void home_leave(struct moves *m);

/* Likewise, and from the first one on, also those that stayed. */
void home_all(struct moves *m);

/* While leaving: HY_WORKER_LEAVE_MS from now on, as far as there is so much left. */
void home_patience(struct moves *m);

#endif
