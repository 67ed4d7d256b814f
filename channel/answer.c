/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * answer.c - what a channel answers by itself: pings, bulk bytes taken, soaks
 *
 * Runs in: hylics-worker, hylics-agent
 * Reads from: the peer on the channel (hostile)
 */
#include "channel/answer.h"

#include "channel/chan.h"
#include "common/fault.h"

static const char *take_ping(struct chan *c, const struct message *m)
{
	/* room was made sure of before the frame was taken */
	(void)tx_message(&c->tx, msg_info(MSG_PONG), m->id, m->payload, m->len);
	return NULL;
}

static const char *take_credit(struct chan *c, const struct message *m)
{
	uint64_t bytes;

	if (msg_count_decode(m->payload, m->len, &bytes) < 0 || tx_credit(&c->tx, bytes) < 0)
		return "credit for more than was sent";
	return NULL;
}

static void send_count(struct chan *c, enum msg_type type, uint32_t id, uint64_t bytes)
{
	uint8_t buf[MSG_COUNT_LEN];

	msg_count_encode(bytes, buf, sizeof(buf));
	(void)tx_message(&c->tx, msg_info((uint16_t)type), id, buf, sizeof(buf));
}

static const char *take_soak(struct chan *c, const struct message *m)
{
	if (m->offset)
		hy_fault(FAULT_SOAK_MIDDLE);
	c->soak_got += m->len;
	if (m->offset + m->len == m->total) {
		send_count(c, MSG_SOAK_DONE, m->id, c->soak_got);
		c->soak_got = 0;
	}
	return NULL;
}

void chan_answer_taken(struct chan *c, const struct message *m)
{
	send_count(c, MSG_CREDIT, 0, m->len);
}

bool chan_answer(struct chan *c, const struct message *m, const char **fault)
{
	static const char *(*const own[])(struct chan *, const struct message *) = {
		[MSG_PING] = take_ping,
		[MSG_CREDIT] = take_credit,
		[MSG_SOAK] = take_soak,
	};
	uint16_t type = m->info->type;

	if (type >= sizeof(own) / sizeof(own[0]) || !own[type])
		return false;
	*fault = own[type](c, m);
	return true;
}
