/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * server.h - the byte-checking server: a file by sendfile() between two parts of a pattern
 *
 * Runs in: hylics-talk server
 * Reads from: the command line; clients through answer.h
 */
#ifndef TALK_SERVER_H
#define TALK_SERVER_H

#include "common/opt.h"

enum server_mode { SERVER_PLAIN, SERVER_HYLICS };

struct server_values {
	const char *listen;
	const char *file;
	int mode;			/* enum server_mode */
	int64_t threads;
	bool nonblock;
	int fault;			/* enum answer_fault */
	int64_t calls;			/* 0: they are not remembered */
};

extern const struct hy_opt server_options[];
extern const struct server_values server_defaults;

/* The verb "server". */
int server_main(const void *values, int argc, char **argv, struct hy_err *e);

#endif
