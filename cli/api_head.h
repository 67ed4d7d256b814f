/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * api_head.h - what comes before the body of an answer, and the pieces a stream comes in
 *
 * Runs in: hylics
 * Reads from: hylicsd, or whatever listens at its socket
 */
#ifndef API_HEAD_H
#define API_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct api_head {
	unsigned int status;	/* 200..599 */
	bool chunked;
	size_t body;		/* bytes that follow, if not chunked; at most HY_API_BODY_MAX */
	size_t len;		/* bytes of status line and headers with the empty line */
};

/**
 * api_head_parse() - Read status line and headers
 * @bytes:	What has come so far
 * @len:	How much
 * @h:		Set on success
 * @e:		Error
 *
 * Return: 0, -EAGAIN if it is not whole (@e is untouched), -EPROTO
 */
int api_head_parse(const char *bytes, size_t len, struct api_head *h, struct hy_err *e);

enum api_chunk_state { API_CHUNK_SIZE, API_CHUNK_DATA, API_CHUNK_END, API_CHUNK_LAST };

/* Where in a chunked body a reader is; begins zeroed. */
struct api_chunks {
	enum api_chunk_state state;
	size_t left;		/* of this chunk */
	unsigned int digits;	/* of its size */
	unsigned int line;	/* bytes of the line that ends it */
};

/**
 * api_chunks_take() - Take the sizes out of a chunked body
 * @c:		Where it is
 * @bytes:	What has come; gets what is left of it without the sizes
 * @len:	How much, set to how much is left
 * @e:		Error
 *
 * Return: 1 if the body has ended, 0 if not, -EPROTO
 */
int api_chunks_take(struct api_chunks *c, char *bytes, size_t *len, struct hy_err *e);

#endif
