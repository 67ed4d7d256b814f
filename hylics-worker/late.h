/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * late.h - what a client sent while neither the guest's socket nor the copy listened
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile)
 *
 * The keeper makes a tun device in the twin that has no address and no route: what is written into
 * it has arrived in the twin, and leaves it nowhere. The worker writes segments of one connection
 * each, with that connection's addresses, so that the guest can say nothing in this way but what
 * the guest's own client could have said to it.
 */
#ifndef WORKER_LATE_H
#define WORKER_LATE_H

#include <stdint.h>

struct conn;
struct message;
struct moves;

/* Before it is frozen, or made, which makes it frozen. */
void late_begin(struct moves *m, struct conn *c);

/* It speaks, for the first time or again, and is given what it did not hear. */
void late_heard(struct moves *m, const struct conn *c);

/**
 * late_went_home() - The guest's socket speaks in its place, and is sent what it did not hear
 * @m:		Worker
 * @c:		Its copy is gone, it is not free yet
 * @cookie:	The copy's, from tcp_catch_cookie()
 */
void late_went_home(struct moves *m, const struct conn *c, uint64_t cookie);

/* MSG_LATE. What is no segment of its connection's is counted, and nothing else happens. */
int late_take(struct moves *m, const struct message *msg);

#endif
