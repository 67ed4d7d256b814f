/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * send.h - puts what waits into a copy's send queue, in turns
 *
 * Runs in: hylics-worker
 * Reads from: files of the share, which the guest may change at any time
 */
#ifndef WORKER_SEND_H
#define WORKER_SEND_H

#include <stdbool.h>

struct moves;
struct conn;

/**
 * send_turn() - Send items until none waits, the socket is full, or the turn is over
 * @m:	Worker
 * @c:	Any state; nothing happens in one that does not send
 *
 * Return: true if there is more to send at once: another turn is due
 */
bool send_turn(struct moves *m, struct conn *c);

/* Nothing that may be pushed out waits for more: a cork of ours is taken off. */
void send_push(struct conn *c);

/*
 * The program wants a cork, or none. The one it had at the move does not count: who uses the
 * library alone cannot take it off any more.
 */
void send_cork(struct conn *c, bool on);

#endif
