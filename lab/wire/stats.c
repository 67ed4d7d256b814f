/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stats.c - what the wire did, counted per direction, and written as JSON
 *
 * Runs in: hylics-wire
 * Reads from: no untrusted input; the names of rules and marks were checked by the parser
 */
#include "lab/wire/stats.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/own.h"

#define STATS_VERSION 1
#define STATS_ROW(name, help) { #name, offsetof(struct stats, name) },

static const struct {
	const char *name;
	size_t offset;
} counters[] = { STATS_COUNTERS(STATS_ROW) };

static void write_direction(FILE *out, const struct stats *s)
{
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		uint64_t value;

		memcpy(&value, (const char *)s + counters[i].offset, sizeof(value));
		fprintf(out, "%s\"%s\":%" PRIu64, i ? "," : "", counters[i].name, value);
	}
}

static void write_rules(FILE *out, const struct script *s)
{
	for (unsigned int i = 0; i < s->rules; i++)
		fprintf(out, "%s{\"name\":\"%s\",\"action\":\"%s\",\"open\":%s,\"fired\":%" PRIu64
			"}", i ? "," : "", s->rule[i].name, rule_action_name(s->rule[i].action),
			s->state[i].open ? "true" : "false", s->state[i].fired);
}

static void write_marks(FILE *out, const struct script *s)
{
	for (unsigned int i = 0; i < s->marks; i++)
		fprintf(out, "%s\"%s\":%" PRIu64, i ? "," : "", s->mark[i].name,
			s->mark[i].raised);
}

void stats_write(FILE *out, const struct stats d[WIRE_DIRECTIONS], uint64_t seed,
		 const struct script *script)
{
	fprintf(out, "{\"version\":%d,\"seed\":%" PRIu64 ",\"a\":{", STATS_VERSION, seed);
	write_direction(out, &d[0]);
	fputs("},\"b\":{", out);
	write_direction(out, &d[1]);
	fputs("},\"rules\":[", out);
	write_rules(out, script);
	fputs("],\"marks\":{", out);
	write_marks(out, script);
	fputs("}}\n", out);
}

static int write_new(const char *path, const struct stats d[WIRE_DIRECTIONS], uint64_t seed,
		     const struct script *script, struct hy_err *e)
{
	hy_autofile *f = fopen(path, "we");

	if (!f)
		return hy_err_set(e, errno, "statistics '%s': open", path);
	stats_write(f, d, seed, script);
	if (fflush(f) != 0 || ferror(f))
		return hy_err_set(e, errno, "statistics '%s': write", path);
	return 0;
}

int stats_save(const char *path, const struct stats d[WIRE_DIRECTIONS], uint64_t seed,
	       const struct script *script, struct hy_err *e)
{
	char new[PATH_MAX];
	int rc;

	if (snprintf(new, sizeof(new), "%s.new", path) >= (int)sizeof(new))
		return hy_err_set(e, ENAMETOOLONG, "statistics '%s'", path);
	rc = write_new(new, d, seed, script, e);
	if (rc == 0 && rename(new, path) < 0)
		rc = hy_err_set(e, errno, "statistics '%s': rename '%s'", path, new);
	if (rc < 0)
		unlink(new);
	return rc;
}
