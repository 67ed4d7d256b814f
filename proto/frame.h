/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frame.h - frames of the channel between host and guest: bytes to structs and back
 *
 * Runs in: hylics-worker, hylics-agent, tests
 * Reads from: the peer on the channel (hostile)
 *
 * DOC: Frames, chunks and the resync mark
 *
 * The channel is a stream of bytes. A message travels as one or more frames, each a header of 24
 * bytes, at most HY_CHUNK_MAX bytes of payload, a chunk, and a trailer, one byte of 0.
 * docs/wire.md has the table of bytes.
 *
 * A virtio-serial port keeps what a dead process left in it: its successor on the same port reads
 * the second half of a frame, or a half frame followed by the bytes of a new session. So a session
 * begins with the resync mark, 16 bytes that occur nowhere else in the stream:
 *
 * - not inside a payload: frame_chunk_len() ends a chunk within a mark that the payload happens to
 *   (or was made to) contain, so that a header stands between its parts;
 * - not across a border: a frame begins with FRAME_MAGIC, its header ends with 0 and so does the
 *   frame, and neither byte is in the mark;
 * - not inside a header: 15 bytes at most lie between two of its bytes that are not in the mark.
 *
 * A reader therefore looks for the mark in everything it receives. When it finds one, the frame
 * it was in the middle of is void, and the next frame is a hello.
 *
 * What follows half a frame is taken for its other half at first, however little of it is there
 * yet. It cannot pass: where the trailer should be is a byte of the mark, which has no 0. So bytes
 * that make no frame are no fault yet as long as they end in what may become a mark.
 */
#ifndef HY_PROTO_FRAME_H
#define HY_PROTO_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"

#define FRAME_MAGIC 0xa7
#define FRAME_VERSION 1
#define FRAME_HEADER_LEN 24
#define FRAME_OVERHEAD (FRAME_HEADER_LEN + 1)
#define FRAME_LEN_MAX (FRAME_OVERHEAD + HY_CHUNK_MAX)

#define FRAME_MARK "\xf1hylics-resync\n\xf2"
#define FRAME_MARK_LEN 16

struct frame {
	uint16_t type;		/* a row of the message table */
	uint32_t id;		/* an answer carries the id of its request */
	uint32_t epoch;		/* the sender's session */
	uint32_t total;		/* length of the whole message */
	uint32_t offset;	/* of this chunk in it */
	uint16_t len;		/* of this chunk */
	const uint8_t *payload;
};

/**
 * frame_encode() - Write a frame
 * @f:		Its payload has len bytes
 * @out:	Gets FRAME_OVERHEAD + len bytes
 *
 * Return: that many
 */
size_t frame_encode(const struct frame *f, uint8_t *out);

/**
 * frame_decode_header() - Read a frame's header
 * @in:	FRAME_HEADER_LEN bytes from the peer
 * @f:	Filled on success, payload NULL; untouched on failure
 *
 * Checks what holds for every frame, whatever its type: magic, version, unused bits, the chunk
 * within its limit and within its message.
 *
 * Return: 0, -EPROTO
 */
int frame_decode_header(const uint8_t *in, struct frame *f);

/**
 * frame_is_closed() - Whether a frame's trailer is there
 * @f:		From frame_decode_header()
 * @in:		The whole frame
 *
 * Return: false: these bytes are no frame
 */
bool frame_is_closed(const struct frame *f, const uint8_t *in);

/**
 * frame_chunk_len() - How much of a message may go into the next frame
 * @rest:	What is left of the message
 * @left:	Its length
 * @max:	At most this, not 0
 *
 * Return: 0 if @left is 0, else 1 to @max: less than asked where the mark had to be cut
 */
size_t frame_chunk_len(const uint8_t *rest, size_t left, size_t max);

/**
 * frame_find_mark() - Look for the resync mark
 * @buf:	Bytes
 * @len:	How many
 *
 * Return: where it begins, or @len if it is not there
 */
size_t frame_find_mark(const uint8_t *buf, size_t len);

/**
 * frame_begun_mark() - Whether bytes end in the beginning of a mark
 * @buf:	Bytes without a whole mark
 * @len:	How many
 *
 * Return: how many of the last bytes could become a mark, 0 if none
 */
size_t frame_begun_mark(const uint8_t *buf, size_t len);

#endif
