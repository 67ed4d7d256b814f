/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * say.c - what a connection owes the host is said as soon as the channel has room
 *
 * Runs in: hylics-agent
 * Reads from: no untrusted input
 */
#include <errno.h>

#include "hylics-agent/agent.h"
#include "hylics-agent/down.h"

static int say_resume(struct agent *a, struct conn *c)
{
	const struct move_resume m = { .held = c->held, .down = c->down_taken, .up = c->up };
	uint8_t packet[MOVE_RESUME_LEN];

	hy_fault(FAULT_RESUME_ASK);
	move_resume_encode(&m, packet, sizeof(packet));
	return chan_send(a->chan, MSG_RESUME, c->id, packet, sizeof(packet));
}

static int say_cancel(struct agent *a, struct conn *c)
{
	return chan_send(a->chan, MSG_CANCEL, c->id, NULL, 0);
}

static int say_home(struct agent *a, struct conn *c)
{
	return chan_send(a->chan, MSG_HOME, c->id, NULL, 0);
}

static int say_home_taken(struct agent *a, struct conn *c)
{
	const struct move_answer m = { .reason = c->answer };
	uint8_t packet[MOVE_ANSWER_LEN];

	hy_fault(FAULT_HOME_TAKEN);
	move_answer_encode(&m, packet, sizeof(packet));
	return chan_send(a->chan, MSG_HOME_TAKEN, c->id, packet, sizeof(packet));
}

static int say_taken(struct agent *a, struct conn *c)
{
	const struct move_pos m = { .pos = c->up, .again = !c->up_full };
	uint8_t packet[MOVE_POS_LEN];

	move_pos_encode(&m, packet, sizeof(packet));
	return chan_send(a->chan, MSG_TAKEN, c->id, packet, sizeof(packet));
}

/* The last that is said of it. */
static int say_reset(struct agent *a, struct conn *c)
{
	const struct move_item m = { .pos = c->down_next, .kind = ITEM_RESET };
	uint8_t packet[MOVE_ITEM_MIN];
	int n = move_item_encode(&m, packet, sizeof(packet));

	if (n > 0 && chan_send(a->chan, MSG_ITEM, c->id, packet, (size_t)n) == -EAGAIN)
		return -EAGAIN;
	conn_told(a, c);
	return CONN_GONE;
}

static const struct {
	enum conn_owes what;
	int (*say)(struct agent *a, struct conn *c);
} debts[] = {
	{ OWES_RESUME, say_resume },
	{ OWES_RESET, say_reset },
	{ OWES_CANCEL, say_cancel },
	{ OWES_HOME_TAKEN, say_home_taken },
	{ OWES_HOME, say_home },
	{ OWES_OPTIONS, options_say },
	{ OWES_TAKEN, say_taken },
	{ OWES_ITEMS, down_pay },
};

/* Return: 0, -EAGAIN, CONN_GONE */
static int pay_each(struct agent *a, struct conn *c)
{
	for (unsigned int i = 0; i < sizeof(debts) / sizeof(debts[0]); i++) {
		int rc;

		if (!(c->owes & debts[i].what))
			continue;
		rc = debts[i].say(a, c);
		if (rc == -EAGAIN || rc == CONN_GONE)
			return rc;
		c->owes &= (uint8_t)~debts[i].what;
	}
	return 0;
}

/* A header and the markers behind it are one word to the host, and wake it once. */
static int pay(struct agent *a, struct conn *c)
{
	bool mine = chan_cork(a->chan);
	int rc = pay_each(a, c);

	if (mine)
		chan_uncork(a->chan);
	return rc;
}

void conn_owe(struct agent *a, struct conn *c, unsigned int what)
{
	if (c->taken.waits) {
		due_cancel(&a->taken, &c->taken);
		what |= OWES_TAKEN;
	}
	c->owes |= (uint8_t)what;
	if (!a->session)
		c->owes = 0;
	if (c->waits_room || !c->owes || pay(a, c) != -EAGAIN)
		return;
	c->waits_room = true;
	TAILQ_INSERT_TAIL(&a->conns.room, c, room);
}

void conns_room(struct agent *a)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&a->conns.room)) != NULL) {
		int rc = pay(a, c);

		if (rc == -EAGAIN)
			return;
		if (rc == CONN_GONE)
			continue;
		TAILQ_REMOVE(&a->conns.room, c, room);
		c->waits_room = false;
	}
}
