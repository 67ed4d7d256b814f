/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * assemble.c - puts the chunks of the urgent lanes together and checks those of the bulk lane
 *
 * Runs in: hylics-worker, hylics-agent, tests
 * Reads from: the peer on the channel (hostile)
 */
#include "proto/assemble.h"

#include <errno.h>
#include <string.h>

void assemble_reset(struct assemble *a, enum msg_role peer, uint32_t peer_epoch)
{
	a->peer = peer;
	a->peer_epoch = peer_epoch;
	for (unsigned int i = 0; i < LANES; i++)
		a->lane[i].got = 0;
}

/* What every frame of a type must keep to; NULL if it does. */
static const char *type_fault(const struct assemble *a, const struct frame *f,
			      const struct msg_info *info)
{
	if (!info)
		return "unknown message type";
	if (!(info->senders & a->peer))
		return "message type not for this side";
	if (f->epoch != a->peer_epoch)
		return "frame of another session";
	if (f->total < info->min || f->total > info->max)
		return "message length out of range";
	return NULL;
}

/* Whether a chunk continues its lane where the last one ended; NULL if it does. */
static const char *order_fault(const struct assemble_lane *lane, const struct frame *f)
{
	if (f->offset != lane->got)
		return "chunk out of order";
	if (lane->got == 0)
		return NULL;
	if (f->type != lane->first.type || f->id != lane->first.id ||
	    f->total != lane->first.total)
		return "chunk of another message";
	return NULL;
}

int assemble_feed(struct assemble *a, const struct frame *f, struct message *m, const char **why)
{
	const struct msg_info *info = msg_info(f->type);
	const char *fault = type_fault(a, f, info);
	struct assemble_lane *lane;
	bool last;

	if (!fault)
		fault = order_fault(&a->lane[info->lane], f);
	if (fault) {
		*why = fault;
		return -EPROTO;
	}
	lane = &a->lane[info->lane];
	if (lane->got == 0)
		lane->first = *f;
	last = f->len == f->total - f->offset;
	lane->got = last ? 0 : lane->got + f->len;
	*m = (struct message){ .info = info, .id = f->id, .total = f->total, .offset = f->offset,
			       .len = f->len, .payload = f->payload };
	if (info->lane == LANE_BULK || f->len == f->total)
		return 1;
	memcpy(a->whole[info->lane] + f->offset, f->payload, f->len);
	m->offset = 0;
	m->len = f->total;
	m->payload = a->whole[info->lane];
	return last;
}
