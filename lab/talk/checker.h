/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * checker.h - compares every byte of an answer with what was asked for
 *
 * Runs in: hylics-talk client
 * Reads from: the bytes of a server (hostile: they are compared, never believed)
 */
#ifndef TALK_CHECKER_H
#define TALK_CHECKER_H

#include <stddef.h>
#include <stdint.h>

#include "lab/talk/pattern.h"
#include "lab/talk/request.h"

struct checker {
	const struct request *request;
	const uint8_t *file;
	uint64_t total;
	uint64_t pos;			/* bytes of the answer that have come */
	uint64_t wrong;			/* of them */
	uint64_t first_wrong;		/* position, PATTERN_NONE if there is none */
	uint64_t extra;			/* bytes behind the end of the answer */
	uint64_t verdict;		/* about the upload, as in request.h */
};

/**
 * checker_begin() - Wait for an answer
 * @c:		Filled
 * @request:	Kept; must be one that request_fault() finds right for the file
 * @file:	Kept: all bytes of the file
 */
void checker_begin(struct checker *c, const struct request *request, const uint8_t *file);

/**
 * checker_feed() - Compare what has come
 * @c:		Checker
 * @bytes:	The next bytes of the stream
 * @len:	How many
 */
void checker_feed(struct checker *c, const uint8_t *bytes, size_t len);

/**
 * checker_upload_wrong() - What the server said about the upload
 * @c:	Checker; the answer is whole
 *
 * Return: first wrong position as the server saw it, PATTERN_NONE if all was right
 */
uint64_t checker_upload_wrong(const struct checker *c);

#endif
