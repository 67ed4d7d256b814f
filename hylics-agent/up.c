/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * up.c - from the client to the program, as long as the host has the connection
 *
 * Runs in: hylics-agent
 * Reads from: the host over the channel (checked)
 */
#include "hylics-agent/up.h"

#include <errno.h>
#include <sys/socket.h>

#include "hylics-agent/home.h"
#include "hylics-agent/pair.h"

/* syscalls: shutdown */
void up_end(struct conn *c)
{
	if (!c->up_end)
		shutdown(c->pair.fd, SHUT_WR);
	c->up_end = true;
}

void up_taken_late(void *object, struct due *d)
{
	struct conn *c = CONN_OF_DUE(d, taken);

	conn_owe(object, c, OWES_TAKEN);
}

/*
 * A request is mostly answered at once, and the answer takes this word along: one less that wakes
 * the host. Without the word nothing more comes up. So it does not wait where more is to be
 * expected: behind a full piece, a second one, or where the last request came in several.
 */
static void owe_taken(struct agent *a, struct conn *c, uint64_t bytes)
{
	bool first = c->up_since_slice == bytes;
	bool waits = first && !c->in_pieces && bytes < MOVE_UP_BYTES_MAX;

	c->in_pieces = !first;
	if (waits)
		due_add(&a->taken, &c->taken);
	else
		conn_owe(a, c, OWES_TAKEN);
}

/*
 * What the program will never read stays in the copy, whose close is then a reset, as it would be
 * without us.
 */
static void deliver(struct agent *a, struct conn *c, const uint8_t *bytes, size_t len)
{
	ssize_t n = pair_deliver(a, c, bytes, len);

	if (n < 0)
		return;
	c->up_full = (size_t)n < len;
	home_if_small(a, c);
	/* whoever looks into the pair sees to it that its room is told of, too */
	if (c->up_full)
		conn_owe(a, c, OWES_TAKEN | OWES_ITEMS);
	else
		owe_taken(a, c, (uint64_t)n);
}

int up_take(struct agent *a, const struct message *msg)
{
	struct conn *c = conn_find(a, msg->id);
	struct move_up m;
	uint64_t skip;

	if (move_up_decode(msg->payload, msg->len, &m) < 0)
		return -EPROTO;
	if (!c || (c->state != CONN_OFFERED && c->state != CONN_MOVED))
		return 0;
	skip = c->up - m.pos;
	if (c->state == CONN_OFFERED || m.pos > c->up || skip > m.bytes_len) {
		conn_reset(a, c, "the host says other bytes than the next");
		return 0;
	}
	if (m.bytes_len == 0)
		up_end(c);
	else if (skip == m.bytes_len)
		conn_owe(a, c, OWES_TAKEN);
	else
		deliver(a, c, m.bytes + skip, m.bytes_len - (size_t)skip);
	return 0;
}

int up_take_ended(struct agent *a, const struct message *msg)
{
	struct conn *c = conn_find(a, msg->id);
	uint16_t end;

	if (move_end_decode(msg->payload, msg->len, &end) < 0)
		return -EPROTO;
	if (!c || (c->state != CONN_OFFERED && c->state != CONN_MOVED && c->state != CONN_HOMING))
		return 0;
	if (end != END_CLOSED)
		c->over = end == END_RESET ? SLOT_RESET : SLOT_TIMED_OUT;
	conn_end(a, c);
	return 0;
}
