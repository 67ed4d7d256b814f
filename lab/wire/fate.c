/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fate.c - what chance does to a frame: a pure function of seed, direction, class and number
 *
 * Runs in: hylics-wire
 * Reads from: no untrusted input
 *
 * DOC: The generator
 *
 * splitmix64 adds a constant to a counter and mixes the bits, so its n-th word can be computed
 * without the n-1 before it. Each direction and class has a stream of its own, begun at a mixed
 * value of the seed; frame n owns the words n * FATE_DRAWS and the next ones. Nothing is stored.
 */
#include "lab/wire/fate.h"

#define STEP 0x9e3779b97f4a7c15ull	/* 2^64 divided by the golden ratio, odd */

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

uint64_t fate_word(const struct fate_key *k, enum fate_draw draw)
{
	uint64_t lane = (uint64_t)k->direction << 8 | k->class;
	uint64_t start = mix(mix(k->seed + STEP) + (lane + 1) * STEP);

	return mix(start + (k->number * FATE_DRAWS + draw + 1) * STEP);
}

/* The upper half of a word, scaled to 0..FATE_CERTAIN-1. */
static bool happens(const struct fate_key *k, enum fate_draw draw, uint32_t odds)
{
	return odds && ((fate_word(k, draw) >> 32) * FATE_CERTAIN >> 32) < odds;
}

struct fate fate_decide(const struct fate_key *k, const struct fate_odds *odds)
{
	return (struct fate){
		.lost = happens(k, FATE_LOSS, odds->loss),
		.reordered = happens(k, FATE_REORDER, odds->reorder),
		.duplicated = happens(k, FATE_DUPLICATE, odds->duplicate),
		.corrupted = happens(k, FATE_CORRUPT, odds->corrupt),
	};
}

int64_t fate_jitter(const struct fate_key *k, uint64_t range_ns)
{
	return (int64_t)(fate_word(k, FATE_JITTER) % (2 * range_ns + 1)) - (int64_t)range_ns;
}
