/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * due.h - things that fall due after one and the same time, with one timer for all of them
 *
 * Runs in: hylics-agent
 * Reads from: no untrusted input
 *
 * Since all wait equally long, who came last falls due last: a queue, no heap. Thousands of
 * connections cost one timer of the loop per kind of waiting.
 */
#ifndef AGENT_DUE_H
#define AGENT_DUE_H

#include "common/ev.h"

/* Part of what waits. */
struct due {
	uint64_t at_ms;
	struct due *prev, *next;
	bool waits;
};

struct due_queue {
	uint64_t after_ms;
	void (*fn)(void *object, struct due *d);
	void *object;
	struct ev_loop *loop;
	struct due *first, *last;
	struct ev_timer timer;
};

/**
 * due_open() - Make an empty queue
 * @q:		after_ms, fn, object and loop filled; must stay where it is
 */
void due_open(struct due_queue *q);

void due_add(struct due_queue *q, struct due *d);	/* it waits already: nothing happens */
void due_cancel(struct due_queue *q, struct due *d);	/* it does not wait: nothing happens */

#endif
