/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * grow.h - markers that become longer while they stand in the pair
 *
 * Runs in: hylics-agent
 * Reads from: words that programs write (hostile): each is read once, and checked
 *
 * proto/grow.h has the words, libhylics/grow.h when a program may add.
 *
 * DOC: When the agent looks at a word
 *
 *	when it looks at the marker		the length is what it is by then
 *	when all it knew of was sent		more: told, and so on. Else FINAL, and taken out
 *	when something stands behind it		FINAL; what was added since goes before that
 *
 * No wake-up is needed for what was added, and nothing is lost. A marker that may grow is the last
 * thing that was looked at, and unless something is owed (enum conn_owes) a piece of it is on its
 * way: the word that it was sent brings the next look. So when the agent has nothing to wait for,
 * the word is FINAL, and the program puts another marker, which wakes it.
 *
 * The agent sets OUT before it takes the marker out. Whoever is killed in between leaves a marker
 * in the pair to which nothing is added, and whose length stands in the word: its successor takes
 * that for what it is. It has the words from the holder, who keeps them beside the pair.
 */
#ifndef AGENT_GROW_H
#define AGENT_GROW_H

#include "common/err.h"
#include "proto/grow.h"
#include "proto/local.h"

struct agent;
struct conn;
struct item;

/* A mapping of words: of a program, and of its connections, which may outlive it. */
struct grow {
	struct hy_grow *words;		/* NULL: the row is free */
	uint32_t users;
	int memfd;			/* while the program is there; else -1 */
};

struct grows {
	struct grow *at;		/* a row for each connection and each program */
	uint32_t *free;
	uint32_t n_free, top;
};

/* Make room for all mappings there may be; memory is touched as they come. */
int grows_open(struct grows *t, struct hy_err *e);
void grows_close(struct grows *t);	/* Unmap those that are left */

/* Make words for a program, whose user the caller is. NULL: there is no memory. */
struct grow *grow_make(struct grows *t);

/* Those of an earlier agent's program; @memfd is taken over. NULL: likewise. */
struct grow *grow_kept(struct grows *t, int memfd);

struct grow *grow_use(struct grow *g);	/* one more user; NULL: none */
void grow_done(struct grows *t, struct grow *g);	/* NULL: nothing happens */

/**
 * grow_item() - What a marker that was looked at has become
 * @c:		Connection
 * @m:		Marker
 * @it:		Its item: word, length and whether it may become longer are set
 *
 * Return: 0, -EPROTO: its word is none, or says what cannot be
 */
int grow_item(const struct conn *c, const struct local_marker *m, struct item *it);

/**
 * grow_look() - All of an item was sent: is there more of it?
 * @it:	Item that may grow; whole is moved on, or it no longer grows
 *
 * Return: 0, -EPROTO
 */
int grow_look(struct item *it);

/* Something stands behind it: whole is moved on for the last time. Return: 0, -EPROTO */
int grow_end(struct item *it);

/* Its marker is about to be taken out. */
void grow_out(const struct item *it);

#endif
