/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arbiter.c - a host's memory divided among VMs that want more than there is
 *
 * Runs in: hylicsd, lab
 * Reads from: no untrusted input: what a VM wants is its controller's number
 */
#include "control/arbiter.h"

#include <stdbool.h>

/* The product has up to 96 bits: sums of weights and of bytes both fit into 64. */
static uint64_t part_of(uint64_t bytes, uint64_t share, uint64_t all)
{
	return (uint64_t)((unsigned __int128)bytes * share / all);
}

static uint64_t weight_of(const struct claim *c)
{
	return c->weight ? c->weight : 1;
}

static uint64_t missing(const struct claim *c)
{
	return c->want > c->given ? c->want - c->given : 0;
}

static uint64_t give_floors(struct claim *at, unsigned int n, uint64_t budget)
{
	unsigned __int128 all = 0;
	uint64_t given = 0;

	for (unsigned int i = 0; i < n; i++)
		all += at[i].floor;
	for (unsigned int i = 0; i < n; i++) {
		/* of a sum beyond 64 bits a part is taken by halves that fit */
		unsigned int down = all >> 64 ? 20 : 0;

		at[i].given = all <= budget ? at[i].floor :
			part_of(budget, at[i].floor >> down, (uint64_t)(all >> down) + (down > 0));
		given += at[i].given;
	}
	return given;
}

/* Weights of those who want more. */
static uint64_t open_weights(const struct claim *at, unsigned int n)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		sum += missing(&at[i]) ? weight_of(&at[i]) : 0;
	return sum;
}

/* Those whose part is all they miss get just that. Return: bytes given */
static uint64_t satisfy(struct claim *at, unsigned int n, uint64_t left, uint64_t weights)
{
	uint64_t given = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint64_t more = missing(&at[i]);

		if (more && more <= part_of(left, weight_of(&at[i]), weights)) {
			at[i].given += more;
			given += more;
		}
	}
	return given;
}

static uint64_t give_parts(struct claim *at, unsigned int n, uint64_t left, uint64_t weights)
{
	uint64_t given = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint64_t part = missing(&at[i]) ? part_of(left, weight_of(&at[i]), weights) : 0;

		at[i].given += part;
		given += part;
	}
	return given;
}

uint64_t arbiter_divide(struct claim *at, unsigned int n, uint64_t budget)
{
	uint64_t given = give_floors(at, n, budget), weights, more;

	/* each round satisfies somebody, or is the last */
	while ((weights = open_weights(at, n)) != 0) {
		more = satisfy(at, n, budget - given, weights);
		given += more ? more : give_parts(at, n, budget - given, weights);
		if (!more)
			break;
	}
	return given;
}
