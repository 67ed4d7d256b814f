/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * moves.h - the worker's part in moving connections: all there is of it, and its rounds
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile); clients; the keeper is believed
 *
 * docs/move.md has the design. What each file does is in the README of this folder.
 */
#ifndef WORKER_MOVES_H
#define WORKER_MOVES_H

#include "channel/area.h"
#include "channel/chan.h"
#include "common/log.h"
#include "common/moving.h"
#include "common/show.h"
#include "hylics-worker/casts.h"
#include "hylics-worker/conn.h"
#include "hylics-worker/count.h"
#include "hylics-worker/files.h"
#include "hylics-worker/guest.h"
#include "hylics-worker/modules.h"
#include "hylics-worker/present.h"
#include "hylics-worker/table.h"
#include "tcpmove/catch.h"

struct moves_config {
	struct chan *chan;
	struct ev_loop *loop;
	const struct hy_log *log;	/* must outlive the moves */
	int share;			/* O_PATH of the share, -1: none; taken over */
	int link;			/* to the keeper, -1: none; stays the caller's */
	int sockets[2];			/* from present_counts(); taken over */
	int stats;			/* file for the counters, -1: none; stays the caller's */
	uint64_t alone_ms;		/* 0: HY_ALONE_MS */
	uint64_t home_after;		/* bytes sent on a connection here; 0: never for that */
	void (*left)(void *object, bool all_home);	/* after moves_leave() */
	void *object;
};

struct moves {
	struct chan *chan;
	struct ev_loop *loop;
	const struct hy_log *log;
	struct moves_config cfg;
	int link;
	int held;			/* from the keeper, never looked at; -1 */
	int freezer;			/* from the keeper, for tcp_freeze_use(); -1 */
	int door;			/* from the keeper, for the channel; 0: none */
	int late;			/* from the keeper, where late segments go in; -1 */
	struct tcp_catch caught;	/* what frozen copies did not hear; with @freezer */
	bool session;			/* the channel is up */
	bool leaving, left;		/* everything is to go home; left() was called */
	enum hy_moving moving;		/* told by the keeper; but for ON, likewise, and we stay */
	uint32_t leave_next;		/* row to be asked next */
	uint64_t leave_end_ms;		/* of all patience */
	uint64_t leave_live;		/* connections there when it began anew */
	uint32_t n_draining, n_homing;
	struct conns conns;
	struct files files;
	struct casts casts;
	struct areas areas;
	void *queues;			/* the areas' memory */
	struct guest guest;
	struct modules modules;
	struct table table;
	struct present present;
	struct counters *count;		/* in the table, as the stages */
	struct stages *stages;
	struct conn_list run, tell;
	uint32_t fresh[HY_FRESH_COPIES];	/* rows that came since, in this batch */
	uint32_t n_fresh;
	struct ev_timer round, home, alone, leave;
	struct hy_show show;
	struct hy_log_rate rate_files, rate_faults, rate_refused, rate_lost, rate_home, rate_late;
	struct hy_log_rate rate_casts;
};

/**
 * moves_open() - Make room, take over what the keeper has
 * @m:		Filled; large, must stay where it is
 * @cfg:	Copied
 * @e:		Error
 */
int moves_open(struct moves *m, const struct moves_config *cfg, struct hy_err *e);

/* Give everything back; living copies are closed, which resets those nobody else keeps. */
void moves_close(struct moves *m);

/* The channel's up(), down(), message() and room() go on to these. */
void moves_up(struct moves *m, const struct msg_hello *peer);
void moves_down(struct moves *m);
int moves_message(struct moves *m, const struct message *msg);
void moves_room(struct moves *m);

/* Bring every connection home, then call left(). A second time: call it at once. */
void moves_leave(struct moves *m);

/* A copy has begun to speak; and, before the next is restored: the first turns, if it is time. */
void moves_fresh(struct moves *m, const struct conn *c);
void moves_first_turns(struct moves *m);

/* At the end of this round: send items of @c; tell the guest what is new about @c. */
void moves_run(struct moves *m, struct conn *c);
void moves_tell(struct moves *m, struct conn *c);
void moves_forget(struct moves *m, struct conn *c);	/* take it off both lists */

#endif
