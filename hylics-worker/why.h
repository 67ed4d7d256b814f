/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * why.h - the last connection that was refused, for each reason
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile): its addresses are shown, and decide nothing
 *
 * They are in the keeper's memory, behind the counters, and outlive a worker as these do.
 */
#ifndef WORKER_WHY_H
#define WORKER_WHY_H

#include <stdint.h>
#include <stdio.h>

#include "proto/reason.h"
#include "tcpmove/record.h"

struct why_last {
	uint64_t when_ms;		/* wall clock; 0: there was none */
	uint32_t queued;		/* bytes in its queues */
	uint8_t family;			/* as in a record */
	struct tcp_end local, peer;
};

/* A connection was refused. */
void why_note(struct why_last last[MOVE_REASONS], enum move_reason reason,
	      const struct tcp_record *rec);

/* Write ,"refused_last":{"REASON":{...},...} */
void why_print(const struct why_last last[MOVE_REASONS], FILE *f);

#endif
