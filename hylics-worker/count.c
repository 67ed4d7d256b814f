/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * count.c - what a worker counts, and the file in which it shows it
 *
 * Runs in: hylics-worker
 * Reads from: no untrusted input
 */
#include "hylics-worker/count.h"

void counters_print(const struct counters *c, FILE *f)
{
	const char *comma = "";

	fputs("{", f);
#define X(name, what) fprintf(f, "\"" #name "\":%llu,", (unsigned long long)c->name);
	WORKER_COUNTERS(X)
#undef X
	fputs("\"refused\":{", f);
	for (unsigned int r = 0; r < MOVE_REASONS; r++) {
		if (!c->refused[r])
			continue;
		fprintf(f, "%s\"%s\":%llu", comma, move_reason_name(r),
			(unsigned long long)c->refused[r]);
		comma = ",";
	}
	fputs("}}\n", f);
}
