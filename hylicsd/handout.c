/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * handout.c - who is told to have how much memory, so that all together never have too much
 *
 * Runs in: hylicsd
 * Reads from: no untrusted input: claims are controllers' numbers
 */
#include "hylicsd/handout.h"

/* Everybody's part, were there nobody who has more than that now. */
static void set_parts(struct handout *at, struct claim *room, unsigned int n, uint64_t budget)
{
	for (unsigned int i = 0; i < n; i++)
		room[i] = (struct claim){ .floor = at[i].floor, .want = at[i].want,
					  .weight = at[i].weight };
	arbiter_divide(room, n, budget);
	for (unsigned int i = 0; i < n; i++)
		at[i].given = room[i].given;
}

/* Return: bytes that are held then, UINT64_MAX if that is more than a number can say */
static uint64_t tell_less(struct handout *at, unsigned int n)
{
	uint64_t held = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (at[i].given < at[i].told)
			at[i].told = at[i].given;
		if (__builtin_add_overflow(held, handout_held(&at[i]), &held))
			held = UINT64_MAX;
	}
	return held;
}

/* What nobody holds, among those who hold less than their part. */
static void tell_more(struct handout *at, struct claim *room, unsigned int n, uint64_t budget)
{
	for (unsigned int i = 0; i < n; i++)
		room[i] = (struct claim){ .floor = handout_held(&at[i]), .want = at[i].given,
					  .weight = at[i].weight };
	arbiter_divide(room, n, budget);
	for (unsigned int i = 0; i < n; i++) {
		uint64_t most = room[i].given < at[i].given ? room[i].given : at[i].given;

		if (most > at[i].told)
			at[i].told = most;
	}
}

void handout_divide(struct handout *at, struct claim *room, unsigned int n, uint64_t budget)
{
	set_parts(at, room, n, budget);
	if (tell_less(at, n) <= budget)
		tell_more(at, room, n, budget);
	else
		for (unsigned int i = 0; i < n; i++)	/* what it holds anyway costs nobody */
			if (at[i].told < at[i].given && at[i].told < at[i].in_force)
				at[i].told = at[i].given < at[i].in_force ? at[i].given :
									    at[i].in_force;
}
