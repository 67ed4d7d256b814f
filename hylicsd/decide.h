/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * decide.h - how much memory a VM wants, asked of its law at the end of each interval
 *
 * Runs in: hylicsd
 * Reads from: a worker's counters (the guest's word); the model's file, which may be anything
 *
 * What it wants, not what it gets: that is govern.h's.
 */
#ifndef HYLICSD_DECIDE_H
#define HYLICSD_DECIDE_H

#include <jansson.h>

#include "common/log.h"
#include "control/law.h"
#include "hylicsd/measure.h"
#include "hylicsd/model.h"
#include "hylicsd/record.h"

struct decide {
	bool on;			/* else nothing below counts */
	bool has_model;
	struct model model;
	struct hy_err no_model;		/* num is not 0: there was to be one, and why it is not */
	bool is_hopeless;		/* by the model no memory is enough for the objective */
	bool by_law;			/* else it stays at the most: its scheme needs a model */
	struct law law;
	uint64_t floor, ceiling;	/* bytes */
	uint64_t wanted;		/* likewise, between them; filled before it begins */
	uint64_t interval_max_ms;
	uint64_t decisions;
	uint64_t interval_ms;
	uint64_t due_ms;		/* the next one, by the clock that never goes back */
	struct measure from;		/* at the interval's begin */
	struct law_seen seen;		/* in the last one */
	double service_s;
	char other_job[HY_NAME_MAX + 1];	/* that runs, and the model is not of; "": none */
};

/**
 * decide_begin() - Begin, or go on with other settings
 * @d:		Zeroed before the first time
 * @r:		Checked record with control=dynamic
 * @bytes:	Of memory in force; heeded at the beginning alone
 * @now_ms:	By the clock that never goes back
 * @log:	Is told of a model that cannot be used, or says that there is no hope
 */
void decide_begin(struct decide *d, const struct record *r, uint64_t bytes, uint64_t now_ms,
		  const struct hy_log *log);

/* The first interval begins now: what has happened before is not its. */
void decide_look(struct decide *d, const json_t *counters, uint64_t now_ms);

/**
 * decide_now() - An interval is over
 * @d:		Begun
 * @counters:	What the VM's worker wrote; NULL if none runs
 * @bytes:	Of memory in force
 * @now_ms:	By the clock that never goes back
 */
void decide_now(struct decide *d, const json_t *counters, uint64_t bytes, uint64_t now_ms);

#define DECIDE_CODE_MAX 32

/* Why the VM wants what it wants: in words, and as one word for programs: "few-jobs". */
const char *decide_reason(const struct decide *d);
void decide_code(const struct decide *d, char code[DECIDE_CODE_MAX]);

/* A law's reason as such a word. */
void decide_reason_code(enum law_reason reason, char code[DECIDE_CODE_MAX]);

#endif
