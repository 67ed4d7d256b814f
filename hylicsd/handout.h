/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * handout.h - who is told to have how much memory, so that all together never have too much
 *
 * Runs in: hylicsd
 * Reads from: no untrusted input: claims are controllers' numbers
 *
 * Pure. What a VM is told holds some time later: until then it may have what it had. So what counts
 * against the budget is the larger of what is in force and what it was told. Whose part is smaller
 * now is told at once; whose is larger is told as far as there is room, and again when there is
 * more: when somebody's limit has come into force. One whose limit does not fall (its files cannot
 * be put out) holds what it has, and what is left is divided among the others as evenly as ever.
 */
#ifndef HYLICSD_HANDOUT_H
#define HYLICSD_HANDOUT_H

#include <stdint.h>

#include "control/arbiter.h"

/* In bytes. */
struct handout {
	uint64_t floor, want;
	uint32_t weight;
	uint64_t in_force;		/* its limit now */
	uint64_t told;			/* last; set to what it is to be told now */
	uint64_t given;			/* set: its part, which it may have to wait for */
};

/* What counts against the budget. */
static inline uint64_t handout_held(const struct handout *h)
{
	return h->in_force > h->told ? h->in_force : h->told;
}

/**
 * handout_divide() - Say what each is to be told now
 * @at:		All that share a budget
 * @room:	For as many claims
 * @n:		How many
 * @budget:	Bytes for all of them
 *
 * The sum of what is held does not grow above the budget; where it is above already, nobody is told
 * to have more than he holds.
 */
void handout_divide(struct handout *at, struct claim *room, unsigned int n, uint64_t budget);

#endif
