/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * samples.c - raw latencies, a fair choice of them when there are too many
 *
 * Runs in: hylics-talk client
 * Reads from: no untrusted input
 */
#include "lab/talk/samples.h"

#include <inttypes.h>

#include "lab/talk/pattern.h"

#define SAMPLES_STREAM 0x5a		/* any number: chance that is the same in every run */

void samples_add(struct samples *s, uint64_t us)
{
	uint64_t place = s->seen++;

	if (place >= TALK_SAMPLES_MAX)
		place = pattern_word(SAMPLES_STREAM, place) % s->seen;
	if (place < TALK_SAMPLES_MAX)
		s->us[place] = us;
}

void samples_write(const struct samples *s, FILE *f)
{
	fprintf(f, "{\"seen\":%" PRIu64 ",\"us\":[", s->seen);
	for (uint64_t i = 0; i < s->seen && i < TALK_SAMPLES_MAX; i++)
		fprintf(f, "%s%" PRIu64, i ? "," : "", s->us[i]);
	fputs("]}", f);
}
