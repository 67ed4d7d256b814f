/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch.h - the watch on the wire: counts what goes over an interface
 *
 * Runs in: hylics-talk watch
 * Reads from: the command line; frames through seen.h
 */
#ifndef TALK_WATCH_H
#define TALK_WATCH_H

#include "common/opt.h"

struct watch_values {
	const char *interface;
	int64_t port;
	bool until_eof;
};

extern const struct hy_opt watch_options[];

/* The verb "watch". */
int watch_main(const void *values, int argc, char **argv, struct hy_err *e);

#endif
