/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verdict.c - what a client saw, counted, and written as JSON
 *
 * Runs in: hylics-talk client
 * Reads from: no untrusted input
 */
#include "lab/talk/verdict.h"

#include <inttypes.h>

#include "common/clock.h"

void verdict_note(struct verdict_place *p, uint64_t connection, uint64_t request,
		  uint64_t position)
{
	if (!p->set)
		*p = (struct verdict_place){ .set = true, .connection = connection,
					     .request = request, .position = position };
}

bool verdict_clean(const struct verdict *v)
{
	uint64_t wrongs = 0;

#define X(name) wrongs |= v->name;
	VERDICT_WRONGS(X)
#undef X
	return wrongs == 0;
}

bool verdict_good(const struct verdict *v)
{
	return verdict_clean(v) && v->requests_done + v->aborted == v->requests_wanted;
}

static void write_place(const char *name, const struct verdict_place *p, FILE *f)
{
	fprintf(f, ",\"%s\":", name);
	if (p->set)
		fprintf(f, "{\"connection\":%" PRIu64 ",\"request\":%" PRIu64
			",\"position\":%" PRIu64 "}", p->connection, p->request, p->position);
	else
		fputs("null", f);
}

void verdict_write(const struct verdict *v, FILE *f)
{
	double seconds = (double)(v->end_ns - v->begin_ns) / HY_NS_PER_S;

	fprintf(f, "{\"version\":1,\"good\":%s", verdict_good(v) ? "true" : "false");
#define X(name) fprintf(f, ",\"%s\":%" PRIu64, #name, v->name);
	VERDICT_COUNTERS(X)
	VERDICT_WRONGS(X)
#undef X
	write_place("first_wrong", &v->first_wrong, f);
	write_place("first_upload_wrong", &v->first_upload_wrong, f);
	write_place("first_cut", &v->first_cut, f);
	fprintf(f, ",\"seconds\":%.6f,\"bytes_per_second\":%.0f", seconds,
		seconds > 0 ? (double)v->bytes / seconds : 0);
	fputs(",\"first_byte\":", f);
	samples_write(&v->first_byte, f);
	fputs(",\"response\":", f);
	samples_write(&v->response, f);
	fputs("}\n", f);
}
