/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * option.c - options that the program sets and asks for, of the host's copy
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile)
 */
#include "hylics-worker/option.h"

#include <errno.h>

#include "channel/option.h"
#include "hylics-worker/moves.h"
#include "hylics-worker/send.h"

int option_take(struct moves *m, const struct message *msg)
{
	struct conn *c = conn_find(m, msg->id);
	struct option_value v;
	int rc = option_set_decode(msg->payload, msg->len, &v);

	if (rc < 0)
		return rc;
	if (option_info(v.id)->keeper != OPTION_OF_COPY)
		return -EPROTO;
	if (!c || c->sock < 0 || c->state == CONN_HOMING || c->end)
		return 0;
	m->count->options++;
	if (v.id == OPTION_TCP_CORK)
		send_cork(c, option_get_int(&v) != 0);
	else
		(void)option_to(c->sock, &v);
	return 0;
}

int option_take_ask(struct moves *m, const struct message *msg)
{
	const struct conn *c = conn_find(m, msg->id);
	uint8_t payload[OPTION_TOLD_MAX];
	struct option_told told = { 0 };
	struct option_ask ask;
	int len, rc = option_ask_decode(msg->payload, msg->len, &ask);

	if (rc < 0)
		return rc;
	if (option_info(ask.id)->keeper != OPTION_OF_COPY)
		return -EPROTO;
	rc = c && c->sock >= 0 ? option_from(c->sock, ask.id, &told.value) : -ENOTCONN;
	told.ask = ask.ask;
	told.num = (uint16_t)-rc;
	told.value.id = ask.id;
	if (rc < 0)
		told.value.len = 0;
	len = option_told_encode(&told, payload, sizeof(payload));
	return len < 0 ? len : chan_send(m->chan, MSG_OPTION_TOLD, msg->id, payload, (size_t)len);
}
