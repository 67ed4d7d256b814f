/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * why.h - why connections were not moved: counts for everybody, examples for whom they concern
 *
 * Runs in: hylics-agent
 * Reads from: programs of the guest (hostile)
 *
 * Programs count the calls that stay plain (tally.h), the agent the connections it was given and
 * keeps in the guest. For each reason and user the last example is remembered, of programs that
 * have left too, as long as there is room: then the one that is longest ago goes.
 */
#ifndef AGENT_WHY_H
#define AGENT_WHY_H

#include "common/limits.h"
#include "proto/reason.h"
#include "proto/why.h"

struct agent;
struct conn;
struct program;
struct request;

struct why_row {
	struct why_example last;
	uint16_t reason;		/* MOVE_DONE: the row is free */
	uint32_t conn;			/* whose it is */
};

struct why {
	uint64_t by_host[MOVE_REASONS];	/* of the refusals in agent_counters, those of the host */
	uint64_t left[MOVE_REASONS];	/* calls of programs that have gone */
	struct why_row row[HY_WHY_ROWS];
};

/* A connection stays in the guest: it is counted, and an example. */
void why_refused(struct agent *a, struct conn *c, enum move_reason reason, enum why_by by);

/* A connection of @r, its first descriptor, was not even taken. */
void why_not_taken(struct agent *a, const struct request *r, enum move_reason reason);

/* The host has refused something of which there is no example here. */
void why_count_host(struct agent *a, enum move_reason reason);

/* The first slice of a connection that stayed is seen: which file it would have been. */
void why_slice(struct agent *a, struct conn *c);

/* Its program leaves: what it has counted stays. */
void why_leaves(struct agent *a, const struct program *p);

/* How many calls stayed plain, and connections here, because of the guest alone. */
uint64_t why_guest(const struct agent *a, unsigned int reason);

/**
 * why_request() - Serve LOCAL_ASK_WHY
 * @a:	Agent
 * @r:	Request
 *
 * Root sees every example, others those of their own programs.
 *
 * Return: length of the answer
 */
int why_request(struct agent *a, struct request *r);

#endif
