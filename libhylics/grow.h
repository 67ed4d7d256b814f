/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * grow.h - a marker that is the last thing in the pair takes the next slice along
 *
 * Runs in: programs in a guest
 * Reads from: the words shared with the agent (checked)
 */
#ifndef HY_LIB_GROW_H
#define HY_LIB_GROW_H

#include "libhylics/slice.h"
#include "proto/local.h"

/*
 * DOC: Nothing stands behind it
 *
 * A slice may be added to a marker if the pair has nothing behind that. Whoever writes into the
 * pair, by whatever call, in whatever process, is charged to the pair's send buffer (SIOCOUTQ), and
 * a marker is charged the same each time. So, in this order:
 *
 *	1	no put is under way; the last one that was put is ours, marker L
 *	2	SIOCOUTQ is what n markers are charged
 *	3	of our markers n are not OUT
 *	4	as in 1 still
 *	5	L's word: add, unless FINAL or OUT
 *
 * A marker is charged until it has left the pair, and OUT before that. So what is not OUT in 3 was
 * charged in 2. If it is all that was charged, nothing else was in the pair: no bytes, no marker
 * without a word, no marker that is being taken out. L is among them (5), and behind them all,
 * since it was put after them (1, 4). What somebody puts behind it after 2 is put while this call
 * runs: their order is nobody's business, as it would be with TCP.
 *
 * This needs no agent to be alive, and holds with the next one, which has the same words: it found
 * them where its predecessor left them, with its holder. A child of fork() has no markers of its
 * own and only writes.
 *
 * DOC: Puts
 *
 * Threads may put markers into one pair at once, and only the kernel knows in which order. tail of
 * an entry is the number of puts under way, and the marker that is the last for certain: one during
 * whose put no other began or was under way. It is 0 while nobody knows, and TAIL_MIXED while
 * several are under way. No lock: a signal handler may send, too.
 */

/* A put of a marker, from before to after. */
struct grow_put {
	uint64_t before;		/* the tail */
	uint64_t number;		/* of the marker, 0: it has no word */
	uint32_t place;			/* in the ring */
};

/* A new pair: nothing was put, and its words are @words (NULL: it has none). Alone with @c. */
void grow_new(struct lib_conn *c, struct hy_grow *words);

/**
 * grow_begin() - A marker is about to be put into the pair
 * @c:		Entry of the socket
 * @p:		Filled; for grow_end(), which must follow
 * @m:		Gets a word, if one is free and it may
 */
void grow_begin(struct lib_conn *c, struct grow_put *p, struct local_marker *m);

/* It was put (@s: what of), or was not (NULL). */
void grow_end(struct lib_conn *c, const struct grow_put *p, const struct slice *s,
	      const struct local_marker *m);

/* A fresh pair has one marker: so much is one of them charged. */
void grow_learn(int pair);

/**
 * grow_add() - Add to the last marker
 * @c:		Entry of the socket, a pair
 * @sock:	Number
 * @s:		Slice, whose next bytes are to be added
 * @max:	Longest marker, by whether it is alone in the pair
 *
 * Return: bytes added, 0: it goes as a marker of its own
 */
uint64_t grow_add(struct lib_conn *c, int sock, const struct slice *s, const uint64_t max[2]);

#endif
