/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verdict.h - what a client saw, counted, and written as JSON
 *
 * Runs in: hylics-talk client
 * Reads from: no untrusted input
 */
#ifndef TALK_VERDICT_H
#define TALK_VERDICT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lab/talk/checker.h"
#include "lab/talk/samples.h"

/* The first ones are what is asked for, those from WRONGS on must all be 0. */
#define VERDICT_COUNTERS(X) \
	X(requests_wanted) X(requests_done) X(aborted) X(connections) X(bytes) X(upload_bytes)
#define VERDICT_WRONGS(X) \
	X(bytes_wrong) X(bytes_extra) X(uploads_wrong) X(resets) X(early_fins) X(stuck) \
	X(connect_failures) X(other_errors)

/* Where something was wrong for the first time. */
struct verdict_place {
	bool set;
	uint64_t connection, request, position;
};

struct verdict {
#define X(name) uint64_t name;
	VERDICT_COUNTERS(X)
	VERDICT_WRONGS(X)
#undef X
	struct verdict_place first_wrong, first_upload_wrong, first_cut;
	struct samples first_byte, response;
	uint64_t begin_ns, end_ns;
};

/**
 * verdict_note() - Remember a place unless an earlier one is
 * @p:		Place
 * @connection:	Number of the connection, from 0
 * @request:	Number of its request, from 0
 * @position:	In the answer or the upload
 */
void verdict_note(struct verdict_place *p, uint64_t connection, uint64_t request,
		  uint64_t position);

/* Whether nothing was wrong so far. */
bool verdict_clean(const struct verdict *v);

/* Whether nothing was wrong and every request that was wanted was answered, or left on purpose. */
bool verdict_good(const struct verdict *v);

/**
 * verdict_write() - One JSON object and a newline
 * @v:	Verdict
 * @f:	Where
 */
void verdict_write(const struct verdict *v, FILE *f);

#endif
