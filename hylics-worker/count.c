/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * count.c - what a worker counts, and the file in which it shows it
 *
 * Runs in: hylics-worker
 * Reads from: no untrusted input
 */
#include "hylics-worker/count.h"

#include "common/show.h"

#define X(name, what) #name,
static const char *const counter_names[] = { WORKER_COUNTERS(X) };
static const char *const stage_names[] = { WORKER_STAGES(X) };
#undef X

#define N_OF(names) (sizeof(names) / sizeof((names)[0]))

void counters_print(const struct counters *c, const struct stages *s, FILE *f)
{
	hy_show_counters(f, counter_names, (const uint64_t *)c, N_OF(counter_names));
	hy_show_some(f, "refused", move_reason_name, c->refused, MOVE_REASONS);
	fputs(",\"stages_ns\":", f);
	hy_hist_print_all((const struct hy_hist *)s, stage_names, N_OF(stage_names), f);
}
