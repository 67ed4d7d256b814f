/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path.h - one direction of the wire: from a frame that came in to one that leaves
 *
 * Runs in: hylics-wire
 * Reads from: the machine on the sending side (hostile)
 *
 * DOC: Where a frame can be
 *
 * Every frame that is on its way lies in a slot of the direction's pool, and the slot is in one of
 * four places: in the delay line until it is due; among the late ones, which --reorder holds back
 * until enough others have overtaken them; among the held ones, until a mark is raised; or in the
 * outlet, a ring of those that are to be sent now.
 *
 * A frame is due no earlier than the one before it, whatever the jitter says: only --reorder and
 * rules change the order, so that what is counted as reordered is all that was.
 */
#ifndef WIRE_PATH_H
#define WIRE_PATH_H

#include <stdint.h>

#include "lab/wire/flow.h"
#include "lab/wire/frame.h"
#include "lab/wire/impair.h"
#include "lab/wire/link.h"
#include "lab/wire/pcap.h"
#include "lab/wire/pool.h"
#include "lab/wire/queue.h"
#include "lab/wire/rule.h"
#include "lab/wire/stats.h"

/* What both directions work with; outlives them. */
struct path_common {
	uint64_t seed;
	struct script *script;
	struct pcap *passed;
	struct pcap *dropped;
};

/* A ring of slots. */
struct path_outlet {
	uint32_t *slot;
	uint32_t head;
	uint32_t n;
	uint64_t stuck_since_ns;	/* 0: the last attempt to send went well */
	bool given_up;			/* the receiver takes nothing: do not wait for it */
};

/* The rate limit: frames that have not left the queue before it, by the time they will. */
struct path_rate {
	uint64_t *leaves_ns;
	uint32_t head;
	uint32_t n;
	uint64_t free_ns;		/* when the bottleneck has sent all of them */
};

struct path {
	int direction;
	const struct path_common *common;
	const struct impair *impair;
	struct link *to;
	struct stats stats;
	struct pool pool;
	struct queue line;
	struct path_outlet outlet;
	struct path_rate rate;
	uint64_t last_due_ns;
	uint64_t number[FRAME_CLASSES];	/* of the next frame of each class */
	uint32_t late[WIRE_LATE_MAX];
	uint32_t n_late;
	uint32_t first_held, last_held;	/* list through pool_slot.next */
	struct flow_table *flows;
};

/**
 * path_open() - Make one direction
 * @p:		Filled on success; path_close() gives back, also one that is all zero
 * @direction:	0 for frames from a, 1 for frames from b
 * @common:	Outlives @p
 * @impair:	Settings, may change at any time; outlives @p
 * @to:		Where frames go; outlives @p
 * @slots:	Frames on their way at most
 * @e:		Error
 */
int path_open(struct path *p, int direction, const struct path_common *common,
	      const struct impair *impair, struct link *to, uint32_t slots, struct hy_err *e);
void path_close(struct path *p);

/**
 * path_take() - A frame came in: decide what happens to it
 * @p:		Direction
 * @bytes:	Whole frame with finished checksums; copied
 * @len:	Its length
 * @now_ns:	Time
 *
 * Return: a bit for each mark the frame raised; path_mark() is to be called for both directions
 */
uint64_t path_take(struct path *p, const uint8_t *bytes, size_t len, uint64_t now_ns);

/**
 * path_mark() - Let the frames go that were held until this mark
 * @p:		Direction
 * @mark:	Raised just now
 * @now_ns:	Time; they are due at once, behind what is due already, and not delayed again
 */
void path_mark(struct path *p, int mark, uint64_t now_ns);

/* Moves what is due into the outlet. */
void path_advance(struct path *p, uint64_t now_ns);

/* When path_advance() has work again, UINT64_MAX if it needs a new frame or a mark for that. */
uint64_t path_next_ns(const struct path *p);

/* A frame that ends here: it is recorded with the reason. */
void path_record_drop(struct path *p, const uint8_t *bytes, size_t len, const char *reason);

#endif
