/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * show.c - a file in which a process shows its counters, as one JSON object
 *
 * Runs in: worker, agent, keeper
 * Reads from: no untrusted input
 */
#include "common/show.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS 20		/* between two looks of whoever reads the file */
#define BLOCK 4096u		/* it grows by this much */

int hy_show_open(const char *path, struct hy_err *e)
{
	int fd;

	if (!path)
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return fd < 0 ? hy_err_set(e, errno, "open '%s'", path) : fd;
}

/* Return: its length, 0 if it does not fit */
static size_t make_text(struct hy_show *s)
{
	FILE *f = fmemopen(s->text, sizeof(s->text), "w");
	long len;

	if (!f)
		return 0;
	s->print(s->object, f);
	len = fflush(f) == 0 ? ftell(f) : 0;
	fclose(f);
	return len > 0 && (size_t)len < sizeof(s->text) ? (size_t)len : 0;
}

/* syscalls: pwrite64 */
static void show(struct hy_show *s)
{
	size_t len = make_text(s), blocks = (len + BLOCK - 1) / BLOCK * BLOCK;

	if (!len)
		return;
	if (blocks > s->written)
		s->written = blocks;
	memset(s->text + len, ' ', s->written - len);
	if (pwrite(s->fd, s->text, s->written, 0) < 0)
		hy_log_limited(s->log, &s->rate, HY_LOG_WARN, "counters: %s", strerror(errno));
}

static uint64_t sum(const struct hy_show *s)
{
	uint64_t all = 0;

	for (size_t i = 0; i < s->n_watch; i++)
		all = all * 31 + s->watch[i];
	return all;
}

static void on_look(void *object)
{
	struct hy_show *s = object;
	uint64_t now = sum(s);

	if (now != s->shown || !s->written)
		show(s);
	s->shown = now;
	s->acts = s->loop->acts;
}

/* Whatever changes a counter is an act of the loop. */
static void after_round(void *object)
{
	struct hy_show *s = object;

	if (!s->timer.pos && s->loop->acts != s->acts)
		ev_timer_set(s->loop, &s->timer, LOOK_MS);
}

void hy_show_start(struct hy_show *s)
{
	s->timer = (struct ev_timer){ .fn = on_look, .object = s };
	s->written = 0;
	if (s->fd < 0)
		return;
	on_look(s);
	s->loop->after_round = after_round;
	s->loop->after_object = s;
}

void hy_show_stop(struct hy_show *s)
{
	if (s->fd < 0 || !s->print)
		return;
	ev_timer_cancel(s->loop, &s->timer);
	s->loop->after_round = NULL;
	show(s);
}

void hy_show_counters(FILE *f, const char *const *names, const uint64_t *counters, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(f, "\"%s\":%" PRIu64 ",", names[i], counters[i]);
}

void hy_show_some(FILE *f, const char *key, const char *(*name)(unsigned int),
		  const uint64_t *counters, unsigned int n)
{
	const char *comma = "";

	fprintf(f, "\"%s\":{", key);
	for (unsigned int i = 0; i < n; i++) {
		if (!counters[i])
			continue;
		fprintf(f, "%s\"%s\":%" PRIu64, comma, name(i), counters[i]);
		comma = ",";
	}
	fputc('}', f);
}
