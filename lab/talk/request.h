/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * request.h - what a client asks for, and which byte of the answer is of what kind
 *
 * Runs in: hylics-talk
 * Reads from: bytes of a client, by the server (strict)
 *
 * DOC: A request and its answer
 *
 * A request is REQUEST_BYTES little-endian bytes, the fields in the order of the struct behind a
 * magic number and a version. An upload follows it. The answer is
 *
 *	head_bytes of the pattern
 *	file_bytes of the file, from file_offset on
 *	tail_bytes of the pattern
 *
 * where a position in the pattern is the position in the answer. With an upload the last 8 bytes of
 * the tail are the server's verdict about it, added (exclusive or) to the pattern: 0 if every byte
 * was right, else 1 + the first wrong position. So the answer to a right upload is all pattern.
 */
#ifndef TALK_REQUEST_H
#define TALK_REQUEST_H

#include <stdint.h>

#define REQUEST_BYTES 72
#define REQUEST_MAGIC 0x4b4c4154u	/* "TALK" */
#define REQUEST_VERSION 1
#define REQUEST_VERDICT_BYTES 8

enum {
	REQUEST_UPLOAD_DURING = 1 << 0,	/* answered while the upload comes, else after it */
	REQUEST_CORK = 1 << 1,		/* TCP_CORK around the answer */
	REQUEST_NODELAY = 1 << 2,
	REQUEST_CLOSE = 1 << 3,		/* the server closes after the answer */
	REQUEST_FLAGS_ALL = (1 << 4) - 1,
};

struct request {
	uint64_t stream;	/* of the pattern; different for every request */
	uint64_t head_bytes;
	uint64_t file_offset, file_bytes;
	uint64_t tail_bytes;
	uint64_t upload_bytes;
	uint64_t slice_bytes;	/* of one sendfile(); 0: all at once */
	uint32_t flags;
};

enum request_part { PART_HEAD, PART_FILE, PART_TAIL, PART_VERDICT, PART_END };

/**
 * request_encode() - Make the bytes
 * @r:		What is asked for
 * @out:	Filled
 */
void request_encode(const struct request *r, uint8_t out[REQUEST_BYTES]);

/**
 * request_decode() - Read a client's bytes
 * @r:		Filled on success, and then request_fault() finds nothing
 * @bytes:	Of a client
 * @file_size:	As for request_fault()
 *
 * Return: NULL, or what is wrong, as a constant
 */
const char *request_decode(struct request *r, const uint8_t bytes[REQUEST_BYTES],
			   uint64_t file_size);

/**
 * request_fault() - Whether a request can be answered
 * @r:		The request
 * @file_size:	Of the server's file
 *
 * Return: NULL, or what is wrong, as a constant
 */
const char *request_fault(const struct request *r, uint64_t file_size);

/* Bytes of the whole answer. */
uint64_t request_total(const struct request *r);

/**
 * request_part() - What stands at a position of the answer
 * @r:		The request
 * @pos:	From 0 to request_total()
 * @left:	Set to the bytes of the same kind from there on
 */
enum request_part request_part(const struct request *r, uint64_t pos, uint64_t *left);

/* The stream of the upload, which must not look like the answer's. */
uint64_t request_upload_stream(const struct request *r);

#endif
