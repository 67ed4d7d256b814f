/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * modules.h - servers the host runs for this guest: what root wants, and what the host says of it
 *
 * Runs in: hylics-agent
 * Reads from: the host over the channel (checked); programs of the guest (hostile)
 *
 * What is wanted outlives the agent in the holder's table, and is said whole as each session
 * begins and whenever it changes: a host that has forgotten learns it again. What the host has
 * told is of its session, and forgotten with it.
 *
 * Lists have numbers, which the host's words bring back. They grow, beginning with the time since
 * boot: so no word for an earlier agent, or boot, passes for one of this session.
 */
#ifndef AGENT_MODULES_H
#define AGENT_MODULES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/log.h"
#include "proto/modules.h"

struct agent;
struct message;
struct request;

/*
 * What is wanted, in the table. It is written where it does not count yet, then @turn is: an agent
 * that is killed in between leaves what was wanted before.
 */
struct modules_saved {
	_Atomic uint32_t turn;		/* its last bit: which of the two counts */
	struct {
		uint32_t len;		/* 0: never written */
		uint8_t bytes[MODULES_WANTED_MAX];
	} at[2];
};

struct modules_row {
	bool told;			/* by the host, in this session */
	uint64_t asked;			/* number of the list with which it changed here */
	struct modules_state state;
};

struct modules {
	struct modules_wanted wanted;
	uint64_t first;			/* number of the first list of this session */
	bool owed;			/* it is to be said to the host */
	bool heard;			/* the host has said how many there are: */
	unsigned int n;
	struct modules_row row[HY_MODULES_MAX];	/* by number */
	int listeners[2];		/* see listener.h */
	struct hy_log_rate rate;	/* of what root does */
};

/* Read back what was wanted; behind table_open(), and before the agent is sealed. */
void modules_open(struct agent *a);
void modules_close(struct agent *a);

void modules_up(struct agent *a);	/* a session has begun */
void modules_down(struct agent *a);	/* it is over */

/* There is room again: say what is wanted, if that is owed. */
void modules_say(struct agent *a);

/* MSG_MODULE. Return: 0, -EPROTO */
int modules_take(struct agent *a, const struct message *msg);

/**
 * modules_request() - Serve LOCAL_MODULE_START, LOCAL_MODULE_STOP or LOCAL_ASK_MODULE
 * @a:	Agent
 * @r:	Request
 *
 * Only root starts and stops; everybody may ask.
 *
 * Return: length of the answer
 */
int modules_request(struct agent *a, struct request *r);

#endif
