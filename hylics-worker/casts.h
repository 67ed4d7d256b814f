/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * casts.h - files that leave as datagrams, at the guest's word, paced
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile); files of the share, which it may change
 *
 * docs/udp.md has the whole. A cast lives within one session, and needs nothing of what is
 * answered: that goes to the guest. One timer and one buffer serve them all, in turns of a burst.
 */
#ifndef WORKER_CASTS_H
#define WORKER_CASTS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ev.h"
#include "proto/cast.h"

struct moves;
struct message;

struct cast_row {
	bool used;
	bool ended;			/* to be told, and then free */
	bool blocked;			/* its socket takes nothing now */
	bool singly;			/* the kernel does not cut for it */
	uint32_t id;			/* the guest's */
	uint32_t file;			/* row of files, FILES_NONE */
	int sock;			/* -1: none */
	uint16_t port;			/* its bit is set; 0: no */
	struct cast_part part;		/* what is left */
	uint64_t due_ns;
	struct cast_told told;		/* as it is now */
	uint64_t said;			/* bytes the guest knows of */
	uint64_t said_ms;
	struct moves *moves;
};

struct casts {
	struct cast_row at[HY_CASTS_MAX];
	unsigned int n, turn;
	struct ev_timer tick;
	uint8_t buffer[HY_DATAGRAM_MAX];
};

/* There are none yet. */
void casts_open(struct moves *m);
void casts_close(struct moves *m);

/* MSG_CAST, MSG_CAST_STOP */
int casts_take(struct moves *m, const struct message *msg);
int casts_take_stop(struct moves *m, const struct message *msg);

/* Nothing is to be sent here any more: all end, and are told so. */
void casts_leave(struct moves *m, enum move_reason reason);

/* The channel has room again; the session is over. */
void casts_room(struct moves *m);
void casts_down(struct moves *m);

#endif
