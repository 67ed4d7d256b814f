/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * show.h - a file in which a process shows its counters, as one JSON object
 *
 * Runs in: worker, agent, keeper
 * Reads from: no untrusted input
 *
 * The file is written in place, padded with blanks: a shorter text leaves no rest of a longer one.
 * A reader that meets a write of more than a page may see half of it, which is no JSON.
 */
#ifndef HY_SHOW_H
#define HY_SHOW_H

#include <stdint.h>
#include <stdio.h>

#include "common/err.h"
#include "common/ev.h"
#include "common/log.h"

#define HY_SHOW_TEXT_MAX 65536

struct hy_show {
	int fd;				/* -1: nothing is shown; stays the caller's */
	struct ev_loop *loop;
	const struct hy_log *log;	/* must outlive this */
	const uint64_t *watch;		/* the text is written again when one of these changes */
	size_t n_watch;
	void (*print)(const void *object, FILE *f);
	const void *object;
	/* its own */
	struct ev_timer timer;
	struct hy_log_rate rate;
	uint64_t shown;			/* what the sum was, so as to see a change */
	uint64_t acts;			/* of the loop, when it was looked at */
	size_t written;
	char text[HY_SHOW_TEXT_MAX];
};

/**
 * hy_show_open() - Open the file, empty
 * @path:	May be NULL
 * @e:		Error
 *
 * Return: descriptor, -1 if there is no path, else -errno
 */
int hy_show_open(const char *path, struct hy_err *e);

/*
 * Show the counters now, and within 20 ms of every change from here on. Takes the loop's
 * after_round(): a loop that has nothing to do is not woken for it.
 */
void hy_show_start(struct hy_show *s);

/* The last time: show them as they are, look no more. */
void hy_show_stop(struct hy_show *s);

/* Write "name":N, for each of @n counters. */
void hy_show_counters(FILE *f, const char *const *names, const uint64_t *counters, size_t n);

/* Write "key":{"name":N,...}, of those that are not 0. */
void hy_show_some(FILE *f, const char *key, const char *(*name)(unsigned int),
		  const uint64_t *counters, unsigned int n);

#endif
