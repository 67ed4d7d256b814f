/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * grow.h - words that a program and its agent share: how long each marker in a pair has become
 *
 * Runs in: hylics-agent, libhylics (both read and write)
 * Reads from: each other: the program is hostile to the agent, which reads a word once and checks
 *
 * The agent makes them as a memfd of one size, sealed, and hands it over beside the page when a
 * program joins. Each slot of the page has a ring of words, each marker of it a word.
 *
 * DOC: A word, from the put of its marker to its end
 *
 *	0			never used in this connection, or the marker did not go out
 *	number			its marker may be in the pair
 *	number, added > 0	the program has added so many bytes to the marker's length
 *	number, FINAL		the agent: something stands behind the marker, or all was sent
 *	number, OUT		the agent: the marker is going to be taken out of the pair
 *
 * The program adds by compare-and-swap while neither FINAL nor OUT is set. The agent sets both with
 * an OR that tells what was there before, so that nobody can keep it waiting, and nothing is added
 * behind a length that it holds for the last one.
 */
#ifndef HY_PROTO_GROW_H
#define HY_PROTO_GROW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/limits.h"
#include "proto/page.h"

#define GROW_RING 32		/* words of a slot: a pair of the library's holds some 20 markers */
#define GROW_WORDS (HY_PAGE_SLOTS * GROW_RING)
#define GROW_ADDED ((UINT64_C(1) << 28) - 1)
#define GROW_FINAL (UINT64_C(1) << 28)
#define GROW_OUT (UINT64_C(1) << 29)
#define GROW_NUMBER_AT 30	/* from here on: the marker's number, counted from 1 */

_Static_assert(HY_SLICE_MAX <= GROW_ADDED, "a marker's length fits a word");

struct hy_grow {
	_Atomic uint64_t word[GROW_WORDS];
};

/* What a marker says of its word: which, and the last bits of its number, for comparison. */
#define GROW_PLACE_BITS 19
_Static_assert(GROW_WORDS == 1 << GROW_PLACE_BITS, "the rest of 32 bits is the number's");

static inline uint32_t grow_name(uint32_t place, uint64_t number)
{
	return place | (uint32_t)number << GROW_PLACE_BITS;
}

static inline uint32_t grow_place(uint32_t name)
{
	return name & (GROW_WORDS - 1);
}

/* Is this the word, as it is now, of a marker that names it so? */
static inline bool grow_is_of(uint64_t word, uint32_t name)
{
	return grow_name(grow_place(name), word >> GROW_NUMBER_AT) == name;
}

#endif
