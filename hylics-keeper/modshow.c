/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * modshow.c - how modules are, as hylicsd reads it from a file
 *
 * Runs in: hylics-keeper
 * Reads from: no untrusted input
 */
#include "hylics-keeper/modshow.h"

#include <inttypes.h>

#include "common/json.h"

/* Who is shown is wanted: if nothing runs, something is in the way, for ever or for a moment. */
static const char *state_of(const struct modules_state *s)
{
	if (s->life != MODULES_LIFE_stopped)
		return modules_life_name(s->life);
	return s->why[0] ? "refused" : "waiting";
}

static void print_one(const struct modshow *m, uint64_t wall_ms, FILE *f)
{
	const struct modules_state *s = &m->is;

	fputs("{\"name\":", f);
	hy_json_string(f, s->name);
	fprintf(f, ",\"state\":\"%s\",\"port\":%u,\"starts\":%" PRIu32, state_of(s), s->port,
		s->starts);
	fprintf(f, ",\"connections\":%" PRIu32 ",\"cpu_us\":%" PRIu64 ",\"memory\":%" PRIu64,
		s->connections, s->cpu_us, s->memory);
	if (s->life != MODULES_LIFE_stopped)
		fprintf(f, ",\"changed_ms\":%" PRIu64, wall_ms - s->since_ms);
	if (m->retry_ms)
		fprintf(f, ",\"retry_ms\":%" PRIu64, wall_ms + m->retry_ms);
	if (s->why[0]) {
		fputs(",\"why\":", f);
		hy_json_string(f, s->why);
	}
	fputc('}', f);
}

void modshow_print(const struct modshow *at, unsigned int n, uint64_t wall_ms, FILE *f)
{
	fputs("{\"modules\":[", f);
	for (unsigned int i = 0; i < n; i++) {
		fputs(i ? "," : "", f);
		print_one(&at[i], wall_ms, f);
	}
	fputs("]}\n", f);
}
