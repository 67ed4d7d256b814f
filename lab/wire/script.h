/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * script.h - which rule of the script, if any, decides about a frame
 *
 * Runs in: hylics-wire
 * Reads from: the machines on both ends of the wire, through frame_parse() (hostile)
 */
#ifndef WIRE_SCRIPT_H
#define WIRE_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "lab/wire/frame.h"
#include "lab/wire/rule.h"

struct script_verdict {
	const struct rule *rule;	/* decides about the frame; NULL: chance does */
	uint64_t raised;		/* a bit for each mark the frame raised */
};

/**
 * script_judge() - Compare a frame with the rules, in their order
 * @s:		Script; counts what matched and fired
 * @direction:	Where the frame goes
 * @f:		What is in it
 * @again:	It is a TCP retransmission
 *
 * The first rule that fires decides and ends the search, except that a mark rule only raises its
 * mark. Marks take effect after the search: the frame itself is not subject to what it opens.
 */
struct script_verdict script_judge(struct script *s, int direction, const struct frame_info *f,
				   bool again);

/**
 * script_raise() - Raise a mark: opens and closes the rules that wait for it
 * @s:		Script
 * @mark:	Its index
 */
void script_raise(struct script *s, int mark);

#endif
