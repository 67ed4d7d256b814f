/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * modules.c - what guest and keeper say to each other of modules passes through here
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile); its keeper (believed)
 */
#include "hylics-worker/modules.h"

#include <errno.h>
#include <string.h>

#include "hylics-worker/moves.h"

static void say(struct moves *m, const uint8_t *payload, size_t len)
{
	m->modules.lost |= chan_send(m->chan, MSG_MODULE, 0, payload, len) == -EAGAIN;
}

/* Who has no keeper has no modules. */
static void pass_on(struct moves *m)
{
	const struct modules_state none = { .list = m->modules.number };
	uint8_t payload[MODULES_STATE_MIN];

	if (m->link >= 0) {
		keep_other(m->link, MSG_MODULES_WANTED, m->modules.wanted, m->modules.len);
		return;
	}
	modules_state_encode(&none, payload, sizeof(payload));
	say(m, payload, sizeof(payload));
}

int modules_take_wanted(struct moves *m, const struct message *msg)
{
	struct modules_wanted checked;
	int rc = modules_wanted_decode(msg->payload, msg->len, &checked);

	if (rc < 0)
		return rc;
	memcpy(m->modules.wanted, msg->payload, msg->len);
	m->modules.len = msg->len;
	m->modules.number = checked.number;
	m->count->told++;
	pass_on(m);
	return 0;
}

void modules_tell(struct moves *m, const struct keep_later *l)
{
	if (l->word == MSG_MODULE && m->modules.len)
		say(m, l->payload, l->len);
}

void modules_room(struct moves *m)
{
	if (!m->modules.lost)
		return;
	m->modules.lost = false;
	pass_on(m);
}

void modules_down(struct moves *m)
{
	m->modules.len = 0;
	m->modules.lost = false;
}
