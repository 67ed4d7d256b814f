/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * client.h - the byte-checking client: many connections that ask, and judge every byte
 *
 * Runs in: hylics-talk client
 * Reads from: the command line; a server through asker.h
 */
#ifndef TALK_CLIENT_H
#define TALK_CLIENT_H

#include "common/opt.h"

struct client_values {
	const char *connect, *file;
	int64_t connections, requests, seed;
	const char *head, *offset, *bytes, *tail, *upload, *slice;
	int upload_when;
	bool cork, nodelay, close_after, half_close, stop_at_error, wrong_upload;
	uint64_t think_ms, stall_ms, stuck_ms;
	uint64_t read_rate, abort_at, rcvbuf;
};

extern const struct hy_opt client_options[];
extern const struct client_values client_defaults;

/* The verb "client". */
int client_main(const void *values, int argc, char **argv, struct hy_err *e);

#endif
