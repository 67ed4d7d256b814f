/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * api_parts.h - what the files of api share among themselves; others include api.h
 *
 * Runs in: hylics
 * Reads from: no untrusted input
 */
#ifndef API_PARTS_H
#define API_PARTS_H

#include "cli/api.h"

/**
 * api_ask() - Connect and send a request
 * @run_dir:	As of api_call()
 * @method:	"GET"
 * @path:	As of api_call()
 * @body:	May be NULL
 * @deadline:	Of hy_clock_ms()
 * @e:		Error
 *
 * Return: a non-blocking descriptor, the caller's, or -errno
 */
int api_ask(const char *run_dir, const char *method, const char *path, const json_t *body,
	    uint64_t deadline, struct hy_err *e);

/**
 * api_read_some() - Wait for bytes and read them
 * @fd:		From api_ask()
 * @deadline:	Of hy_clock_ms(); UINT64_MAX: none
 * @bytes:	Filled
 * @room:	At least 1
 * @e:		Error; an end of the stream is one
 *
 * Return: how many came, -errno
 */
ssize_t api_read_some(int fd, uint64_t deadline, char *bytes, size_t room, struct hy_err *e);

/**
 * api_read_head() - Read until the headers are whole
 * @fd:		From api_ask()
 * @deadline:	Of hy_clock_ms()
 * @bytes:	Filled with all that came, perhaps bytes of the body, too
 * @room:	At least HY_API_HEAD_MAX
 * @len:	Set to how many came
 * @h:		Set
 * @e:		Error
 */
int api_read_head(int fd, uint64_t deadline, char *bytes, size_t room, size_t *len,
		  struct api_head *h, struct hy_err *e);

#endif
