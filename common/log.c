/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.c - one line per event: level, object, words; bounded in rate where a peer can cause it
 *
 * Runs in: every daemon
 * Reads from: text from peers is escaped before it is printed
 */
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"

const char *const hy_log_words[HY_LOG_LEVELS + 1] = {
	[HY_LOG_ERR] = "error",
	[HY_LOG_WARN] = "warning",
	[HY_LOG_INFO] = "info",
	[HY_LOG_DEBUG] = "debug",
};

/* syslog's, for the journal */
static const int priorities[HY_LOG_LEVELS] = {
	[HY_LOG_ERR] = 3,
	[HY_LOG_WARN] = 4,
	[HY_LOG_INFO] = 6,
	[HY_LOG_DEBUG] = 7,
};

int hy_log_level_parse(const char *word, enum hy_log_level *level)
{
	for (unsigned int i = 0; i < HY_LOG_LEVELS; i++) {
		if (strcmp(word, hy_log_words[i]) == 0) {
			*level = i;
			return 0;
		}
	}
	return -EINVAL;
}

/* A guest's name must not be able to forge a line or to speak to the reader's terminal. */
static size_t escape(char *out, size_t room, const char *text)
{
	size_t n = 0;

	for (const unsigned char *c = (const unsigned char *)text; *c && room - n > 5; c++) {
		if (*c >= 0x20 && *c < 0x7f)
			out[n++] = (char)*c;
		else
			n += (size_t)snprintf(out + n, room - n, "\\x%02x", *c);
	}
	return n;
}

/* syscalls: write */
static void write_line(const struct hy_log *l, enum hy_log_level level, const char *words)
{
	char line[HY_LOG_LINE_MAX];
	size_t n = 0;

	if (getenv("JOURNAL_STREAM"))
		n = (size_t)snprintf(line, sizeof(line), "<%d>", priorities[level]);
	n += (size_t)snprintf(line + n, sizeof(line) - n, "%s: %s%s", l->program,
			      l->object ? l->object : "", l->object ? ": " : "");
	if (n > sizeof(line) / 2)
		n = sizeof(line) / 2;
	if (level <= HY_LOG_WARN)
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s: ", hy_log_words[level]);
	n += escape(line + n, sizeof(line) - n - 1, words);
	line[n++] = '\n';
	/* One write, so that lines of several processes do not mix; nobody to tell if it fails. */
	if (write(STDERR_FILENO, line, n) < 0)
		return;
}

static void __attribute__((format(printf, 4, 0)))
log_words(const struct hy_log *l, enum hy_log_level level, uint32_t hidden, const char *fmt,
	  va_list ap)
{
	char words[HY_LOG_LINE_MAX];
	int n = vsnprintf(words, sizeof(words), fmt, ap);

	if (hidden && n >= 0 && (size_t)n < sizeof(words))
		snprintf(words + n, sizeof(words) - (size_t)n, " (%u like it not shown)", hidden);
	write_line(l, level, words);
}

void hy_log(const struct hy_log *l, enum hy_log_level level, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (level > l->level)
		return;
	va_start(ap, fmt);
	log_words(l, level, 0, fmt, ap);
	va_end(ap);
	errno = saved;
}

/* Returns false if the line must not be shown; *hidden: how many before it were not. */
static bool rate_allows(struct hy_log_rate *rate, uint64_t now_ms, uint32_t *hidden)
{
	*hidden = 0;
	if (rate->lines == 0 || now_ms - rate->since_ms >= HY_LOG_PERIOD_MS) {
		*hidden = rate->hidden;
		*rate = (struct hy_log_rate){ .since_ms = now_ms };
	}
	if (rate->lines >= HY_LOG_BURST) {
		rate->hidden++;
		return false;
	}
	rate->lines++;
	return true;
}

void hy_log_limited(const struct hy_log *l, struct hy_log_rate *rate, enum hy_log_level level,
		    const char *fmt, ...)
{
	int saved = errno;
	uint32_t hidden;
	va_list ap;

	if (level > l->level || !rate_allows(rate, hy_clock_ms(), &hidden))
		return;
	va_start(ap, fmt);
	log_words(l, level, hidden, fmt, ap);
	va_end(ap);
	errno = saved;
}

void hy_log_err(const struct hy_log *log, enum hy_log_level level, const struct hy_err *e)
{
	char message[HY_ERR_MESSAGE_MAX];

	hy_err_message(e, message);
	hy_log(log, level, "%s", message);
}
