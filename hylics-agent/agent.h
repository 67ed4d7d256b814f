/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent.h - the agent's part in moving connections: all there is of it
 *
 * Runs in: hylics-agent
 * Reads from: the host over the channel (checked); programs of the guest (hostile)
 *
 * docs/move.md has the design; what each file does is in the README of this folder.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "channel/area.h"
#include "channel/chan.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/show.h"
#include "hylics-agent/address.h"
#include "hylics-agent/casts.h"
#include "hylics-agent/count.h"
#include "hylics-agent/conn.h"
#include "hylics-agent/cost.h"
#include "hylics-agent/files.h"
#include "hylics-agent/grow.h"
#include "hylics-agent/jobs.h"
#include "hylics-agent/join.h"
#include "hylics-agent/modules.h"
#include "hylics-agent/option.h"
#include "hylics-agent/report.h"
#include "hylics-agent/resume.h"
#include "hylics-agent/share.h"
#include "hylics-agent/why.h"
#include "tcpmove/catch.h"

/* One look into a pair: plain bytes as many as one message takes, and a marker behind them. */
#define AGENT_SCRATCH (HY_CHUNK_MAX + LOCAL_MARKER_LEN)

struct agent_config {
	struct chan *chan;
	struct ev_loop *loop;
	const struct hy_log *log;	/* must outlive the agent */
	const char *share;		/* where it is or may come to be, NULL: nowhere */
	int link;			/* to the holder, -1: none; stays the caller's */
	const struct tcp_catch *late;	/* of what freezes connections; must outlive the agent */
	int raw[2];			/* from late_sockets(); stay the caller's */
	int stats;			/* file for the counters, -1: none; stays the caller's */
	uint64_t threshold;		/* bytes of a file from which a move pays; 0: measured */
	struct threshold costs;		/* beginning with this */
	bool offload;			/* false: nothing is ever moved */
	uint64_t alone_ms;		/* without a session; 0: HY_ALONE_MS */
	uint64_t dead_ms;		/* of the host's end of the channel; 0: HY_CHAN_DEAD_MS */
	void (*left)(void *object);	/* after agent_leave() */
	void *object;
};

struct agent {
	struct agent_config cfg;
	struct chan *chan;
	struct ev_loop *loop;
	const struct hy_log *log;
	bool session;			/* the channel is up */
	bool leaving;			/* everything is to go home */
	bool alone_late;		/* what was moved is given up already */
	uint32_t n_conns, n_homing, leave_next;
	struct conns conns;
	struct files files;
	struct areas areas;
	struct programs programs;
	struct grows grows;
	struct table table;
	struct addresses addresses;
	struct share share;
	struct reports reports;
	struct jobs jobs;
	struct casts casts;
	struct options options;
	struct due_queue silence, offered, drain, taken;
	struct ev_timer alone, leave, more;
	uint64_t leave_end_ms;		/* of all patience */
	struct costs costs;
	struct agent_counters count;
	struct agent_stages stages;
	struct why why;
	struct modules modules;
	struct hy_show show;
	struct hy_log_rate rate_reset, rate_program, rate_host;
	uint8_t scratch[AGENT_SCRATCH];
	uint8_t queues[MOVE_OFFER_ROOM - TCP_RECORD_MAX];	/* that go with an offer itself */
	uint8_t packet[HY_CHUNK_MAX];
};

/**
 * agent_open() - Make room, take over what the holder has
 * @a:		Filled; large, must stay where it is
 * @cfg:	Copied
 * @e:		Error
 */
int agent_open(struct agent *a, const struct agent_config *cfg, struct hy_err *e);
void agent_close(struct agent *a);

/* The channel's up(), down(), message() and room() go on to these. */
void agent_up(struct agent *a);
void agent_down(struct agent *a);
int agent_message(struct agent *a, const struct message *msg);
void agent_room(struct agent *a);

/*
 * Bring every connection home, then call left(); HY_LEAVE_MS after the last one, or
 * HY_LEAVE_MOST_MS after this call, in any case.
 */
void agent_leave(struct agent *a);

/* Why nothing can be moved now, MOVE_DONE if it can. */
enum move_reason agent_refusal(const struct agent *a);

/* A connection has ended. */
void agent_one_less(struct agent *a);

/* Tell every program's page whether a move is possible. */
void agent_tell_programs(struct agent *a);

#endif
