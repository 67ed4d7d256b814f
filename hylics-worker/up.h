/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * up.h - bytes from the client: they stay in the copy until the guest has them
 *
 * Runs in: hylics-worker
 * Reads from: clients (any bytes), the guest over the channel (hostile)
 *
 * One MSG_UP is under way per connection. The guest answers how far it has got: so much is read
 * out of the copy then, and the rest is offered again, at once or when the guest has room.
 */
#ifndef WORKER_UP_H
#define WORKER_UP_H

#include <stdint.h>

struct moves;
struct message;
struct conn;

int up_take_taken(struct moves *m, const struct message *msg);	/* MSG_TAKEN */

/**
 * up_offer() - Offer what is unread, or say that the client has shut or reset
 * @m:	Worker
 * @c:	LIVE; may have ended afterwards
 *
 * Return: 0, -EAGAIN if the channel has no room: to be tried again
 */
int up_offer(struct moves *m, struct conn *c);

/**
 * up_discard() - Read bytes out of the copy that the guest has
 * @m:	Worker
 * @c:	Connection
 * @n:	How many; they should be there
 *
 * Return: 0, -EPROTO if fewer were unread
 */
int up_discard(struct moves *m, struct conn *c, uint64_t n);

/* A MSG_TAKEN that came while the copy was HOMING. */
void up_taken_later(struct moves *m, struct conn *c);

#endif
