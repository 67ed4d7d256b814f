/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * assemble.h - puts the chunks of the urgent lanes together and checks those of the bulk lane
 *
 * Runs in: hylics-worker, hylics-agent, tests
 * Reads from: the peer on the channel (hostile)
 *
 * Within a lane messages do not mix: chunk follows chunk until the message is whole. So each lane
 * needs room for one message at most, and the bulk lane for none: its chunks go to the receiver
 * as they come, so a message of 16 MB costs no memory here.
 */
#ifndef HY_PROTO_ASSEMBLE_H
#define HY_PROTO_ASSEMBLE_H

#include "proto/frame.h"
#include "proto/msg.h"

/* The longest message of a lane that is delivered whole: one chunk, cut only to break a mark. */
#define ASSEMBLE_WHOLE_MAX HY_CHUNK_MAX

struct assemble_lane {
	struct frame first;	/* type, id, total of the message under way */
	uint32_t got;		/* bytes of it so far; 0: none under way */
};

struct assemble {
	enum msg_role peer;
	uint32_t peer_epoch;
	struct assemble_lane lane[LANES];
	uint8_t whole[LANE_BULK][ASSEMBLE_WHOLE_MAX];
};

/* What the receiver is given: a whole message, or a chunk of a bulk one. */
struct message {
	const struct msg_info *info;
	uint32_t id;
	uint32_t total;
	uint32_t offset;	/* 0 for whole messages */
	uint32_t len;		/* total for whole messages */
	const uint8_t *payload;
};

/* Forget what is under way: a session of @peer begins with @peer_epoch. */
void assemble_reset(struct assemble *a, enum msg_role peer, uint32_t peer_epoch);

/**
 * assemble_feed() - Take one frame
 * @a:		State
 * @f:		Frame from the peer, checked by frame_decode_header()
 * @m:		Set if something can be delivered; its payload lies in @f or in @a
 * @why:	Set on failure: a few constant words for the log
 *
 * Return: 1 if @m is set, 0 if the message goes on, -EPROTO
 */
int assemble_feed(struct assemble *a, const struct frame *f, struct message *m, const char **why);

#endif
