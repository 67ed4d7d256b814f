/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jobs.h - what the guest tells of its jobs: totals, sums, means of the last minute, the last ones
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile): it is shown; hylicsd heeds it
 *
 * Room of a fixed size for all of it. Times come as ages, and are put on this machine's clocks as
 * they come: a mean is of jobs that ended in the minute before it is asked for.
 */
#ifndef WORKER_JOBS_H
#define WORKER_JOBS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/job.h"

/* A job as it was told last, by the wall clock of this machine. */
struct job_shown {
	uint64_t serial;
	uint8_t state, code;
	uint64_t arrived_ms, begun_ms, ended_ms;	/* ended: 0 if it runs */
	char name[HY_NAME_MAX + 1];
};

/* Finished jobs that ended within one second. Sums of hostile numbers: they may not wrap. */
struct jobs_second {
	uint64_t second;		/* of the clock that never goes back */
	uint64_t n;
	double service_us, response_us;
};

/*
 * All finished jobs since @since_ms: who reads them twice has the means of the time between. Sums
 * that would become too large begin anew, with another @since_ms.
 */
struct jobs_sums {
	uint64_t since_ms;		/* by the clock that never goes back; 0: not begun */
	uint64_t finished, service_us, response_us;
};

struct jobs {
	bool told;			/* else nothing below counts */
	struct jobs_totals totals;
	struct jobs_sums sums;
	struct job_shown last[HY_JOBS_SHOWN_MAX];	/* the one told last is the last */
	unsigned int n_last;
	struct jobs_second second[HY_JOBS_MEAN_S];	/* by its number */
};

/**
 * jobs_take() - Read a MSG_JOBS
 * @js:		Unchanged on failure
 * @in:		Payload from the guest, a private copy
 * @len:	Its length
 * @now_ms:	By the clock that never goes back
 * @wall_ms:	Since 1970
 *
 * Return: 0, -EPROTO
 */
int jobs_take(struct jobs *js, const uint8_t *in, size_t len, uint64_t now_ms, uint64_t wall_ms);

/* Write ,"jobs":{...}; nothing if none was told */
void jobs_print(const struct jobs *js, uint64_t now_ms, FILE *f);

#endif
