/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keeper.c - the words a VM's hylics-keeper is started with
 *
 * Runs in: hylicsd
 * Reads from: records, the configuration; RUN/vm/NAME/keeper.words, which only root writes
 */
#include "hylicsd/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/own.h"

#define WORDS "keeper.words"

static void add(struct keeper_words *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void add(struct keeper_words *w, const char *format, ...)
{
	size_t room = sizeof(w->bytes) - w->len;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(w->bytes + w->len, room, format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room || w->n >= KEEPER_WORDS_MAX) {
		w->n = KEEPER_WORDS_MAX + 1;
		return;
	}
	w->argv[w->n++] = w->bytes + w->len;
	w->len += (size_t)n + 1;
}

int keeper_words(struct keeper_words *w, const struct config *c, const struct record *r,
		 const struct keeper_places *p, struct hy_err *e)
{
	const char *level = hy_log_words[c->log_level];

	w->n = 0;
	w->len = 0;
	add(w, "%s/hylics-keeper", c->libexec_dir);
	add(w, "--vm=%s", r->name);
	add(w, "--log-level=%s", level);
	add(w, "--uid=%u", (unsigned int)r->uid);
	add(w, "--channel=serial:%s", p->channel);
	for (unsigned int i = 0; i < r->n_nics; i++)
		add(w, "--nic=%s", r->nic[i]);
	add(w, "--moving=%s", p->moving);
	add(w, "--modules=%s", p->modules);
	add(w, "--modules-dir=%s", c->modules_dir);
	add(w, "--modules-state=%s", p->modules_state);
	add(w, "--share=%s", p->share);
	add(w, "--");
	add(w, "%s/hylics-worker", c->libexec_dir);
	add(w, "--vm=%s", r->name);
	add(w, "--log-level=%s", level);
	add(w, "--share=%s", p->share);
	add(w, "--stats=%s", p->stats);
	if (w->n > KEEPER_WORDS_MAX)
		return hy_err_set(e, E2BIG, "command line of the keeper");
	w->argv[w->n] = NULL;
	return 0;
}

int keeper_save(const struct keeper_words *w, int dir, struct hy_err *e)
{
	hy_autofd fd = openat(dir, WORDS, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
			      0600);

	if (fd < 0 || write(fd, w->bytes, w->len) != (ssize_t)w->len)
		return hy_err_set(e, errno, "'%s'", WORDS);
	return 0;
}

bool keeper_same(const struct keeper_words *w, int dir)
{
	hy_autofd fd = openat(dir, WORDS, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char bytes[KEEPER_BYTES_MAX];
	ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));

	return n == (ssize_t)w->len && memcmp(bytes, w->bytes, w->len) == 0;
}
