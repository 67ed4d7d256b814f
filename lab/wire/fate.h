/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fate.h - what chance does to a frame: a pure function of seed, direction, class and number
 *
 * Runs in: hylics-wire
 * Reads from: no untrusted input
 */
#ifndef WIRE_FATE_H
#define WIRE_FATE_H

#include <stdbool.h>
#include <stdint.h>

/* Parts in 1000 million; that many means always. */
#define FATE_CERTAIN 1000000000u

struct fate_odds {
	uint32_t loss;
	uint32_t reorder;
	uint32_t duplicate;
	uint32_t corrupt;
};

/* Which frame this is. */
struct fate_key {
	uint64_t seed;
	uint32_t direction;
	uint32_t class;
	uint64_t number;	/* counted from 0 within direction and class */
};

/* The random words a frame has; the last keeps the stride a power of two. */
enum fate_draw {
	FATE_LOSS,
	FATE_REORDER,
	FATE_DUPLICATE,
	FATE_CORRUPT,
	FATE_CORRUPT_BIT,
	FATE_JITTER,
	FATE_DRAWS = 8,
};

struct fate {
	bool lost;
	bool reordered;
	bool duplicated;
	bool corrupted;
};

/**
 * fate_word() - One of a frame's random words
 * @k:		Which frame
 * @draw:	Which of its words
 */
uint64_t fate_word(const struct fate_key *k, enum fate_draw draw);

/**
 * fate_decide() - Throw the dice for a frame
 * @k:		Which frame
 * @odds:	What the operator asked for
 *
 * The same key and odds give the same answer, whatever happened to other frames.
 */
struct fate fate_decide(const struct fate_key *k, const struct fate_odds *odds);

/**
 * fate_jitter() - How much later (or earlier) than the mean delay a frame arrives
 * @k:		Which frame
 * @range_ns:	Result lies in -@range_ns..@range_ns; at most WIRE_TIME_MAX_NS
 */
int64_t fate_jitter(const struct fate_key *k, uint64_t range_ns);

#endif
