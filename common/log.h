/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.h - one line per event: level, object, words; bounded in rate where a peer can cause it
 *
 * Runs in: every daemon
 * Reads from: text from peers is escaped before it is printed
 *
 * Lines go to stderr, which systemd and a terminal both understand: "<6>" priorities are written
 * only when stderr is the journal (JOURNAL_STREAM is set).
 */
#ifndef HY_LOG_H
#define HY_LOG_H

#include <stdint.h>

#include "common/err.h"

enum hy_log_level { HY_LOG_ERR, HY_LOG_WARN, HY_LOG_INFO, HY_LOG_DEBUG, HY_LOG_LEVELS };

/* Their words, ended by NULL: the choices of an option --log-level. */
extern const char *const hy_log_words[];

struct hy_log {
	const char *program;
	const char *object;		/* "vm web1"; NULL for the program itself */
	enum hy_log_level level;	/* lines above this are not written */
};

/* A bucket for one cause: at most HY_LOG_BURST lines per HY_LOG_PERIOD_MS, the rest counted. */
struct hy_log_rate {
	uint64_t since_ms;
	uint32_t lines;
	uint32_t hidden;
};

/**
 * hy_log() - Write one line
 * @l:		Where from
 * @level:	How grave
 * @fmt:	The words; control bytes and non-ASCII in the result are escaped as \xNN
 */
void hy_log(const struct hy_log *l, enum hy_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * hy_log_limited() - The same, for what a peer can cause as often as it likes
 * @l:		Where from
 * @rate:	The cause's own bucket; zeroed before first use
 * @level:	How grave
 * @fmt:	The words
 *
 * The first line after a quiet period tells how many were hidden.
 */
void hy_log_limited(const struct hy_log *l, struct hy_log_rate *rate, enum hy_log_level level,
		    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/**
 * hy_log_level_parse() - "error", "warning", "info", "debug"
 * @word:	From the command line or the configuration
 * @level:	Set on success
 *
 * Return: 0, -EINVAL
 */
int hy_log_level_parse(const char *word, enum hy_log_level *level);

/**
 * hy_log_err() - Log a failure: its text and the errno's words
 * @log:	Log
 * @level:	How bad
 * @e:		Set by the call that failed
 */
void hy_log_err(const struct hy_log *log, enum hy_log_level level, const struct hy_err *e);

#endif
