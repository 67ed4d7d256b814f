/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cost.h - what moves, slices and plain bytes take of this process's CPU time; the threshold shown
 *
 * Runs in: hylics-agent
 * Reads from: no untrusted input but what a program tells of itself, see threshold.h
 *
 * The clock is a system call, so only some connections and some slices are timed. Plain bytes sent
 * within what is timed, as for a connection that has just come home, are left out of it.
 */
#ifndef AGENT_COST_H
#define AGENT_COST_H

#include "common/ev.h"
#include "hylics-agent/threshold.h"
#include "proto/local.h"

struct agent;
struct conn;
struct program;

struct costs {
	struct threshold now, start;	/* of start only the picoseconds are used */
	struct gauge adopt;		/* from taken to adopted, by the clock on the wall */
	uint64_t shown;			/* the threshold of a program that has told nothing */
	uint64_t shown_start;
	uint64_t plain_ns;		/* all of it that was timed */
	uint32_t conns, works, slices, plains;	/* counted, to time some of them */
	bool timing;
	struct ev_timer rest;
};

/* @a's configuration says what it begins with, or that the threshold is fixed. */
void cost_open(struct agent *a);
void cost_close(struct agent *a);

/* Is the next connection one that is timed? */
bool cost_connection(struct agent *a);

/**
 * cost_begin() - From here on something is done that counts
 * @a:		Agent
 * @timed:	Whether this once it does
 *
 * Return: for cost_move() or cost_slices(), to be called by the same function; 0: not timed
 */
uint64_t cost_begin(struct agent *a, bool timed);

/* It was part of a move, or of a home. */
void cost_move(struct agent *a, uint64_t began);

/* Likewise the offer of connection @id, but if that was refused at once it was nothing. */
void cost_offer(struct agent *a, uint64_t began, uint32_t id);

/* The move of a connection is whole. */
void cost_adopted(struct agent *a, const struct conn *c);

/* Work on slices, of which only some is timed; and there was one slice more. */
uint64_t cost_begin_slices(struct agent *a);
void cost_slices(struct agent *a, uint64_t began);
void cost_slice(struct agent *a);

/* A sendfile() of so many plain bytes. */
uint64_t cost_begin_plain(struct agent *a);
void cost_plain(struct agent *a, uint64_t began, uint64_t bytes);

/* What a program says of itself. */
void cost_told(struct agent *a, struct program *p, const struct local_move *m);

/* What a status tells of it. */
void cost_status(const struct agent *a, struct local_costs *out);

/* Write the threshold into a program's page. Return: whether it is higher than at the start */
bool cost_tell(struct agent *a, struct program *p);

#endif
