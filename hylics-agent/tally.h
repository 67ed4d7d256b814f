/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tally.h - what a program counts for its agent: memory it can write, read with care
 *
 * Runs in: hylics-agent
 * Reads from: programs of the guest (hostile): any numbers, which change at any time
 */
#ifndef AGENT_TALLY_H
#define AGENT_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/why.h"

struct hy_tally;

struct tally {
	struct hy_tally *at;		/* NULL: none */
	int memfd;			/* the program gets a duplicate */
};

int tally_open(struct tally *t);	/* 0, -errno */
void tally_close(struct tally *t);

/* No sum of counts goes above this, whoever counts. */
uint64_t tally_add(uint64_t sum, uint64_t more);

/* How many calls stayed plain for a reason, at most INT64_MAX. */
uint64_t tally_calls(const struct tally *t, unsigned int reason);

/**
 * tally_last() - The last example of a reason
 * @t:		Tally
 * @reason:	enum move_reason
 * @now_ms:	Wall clock: none is later
 * @e:		What the program says of it is set, on success
 *
 * Return: false if there is none, or the program is writing it
 */
bool tally_last(const struct tally *t, unsigned int reason, uint64_t now_ms,
		struct why_example *e);

#endif
