/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * checker.c - compares every byte of an answer with what was asked for
 *
 * Runs in: hylics-talk client
 * Reads from: the bytes of a server (hostile: they are compared, never believed)
 */
#include "lab/talk/checker.h"

void checker_begin(struct checker *c, const struct request *request, const uint8_t *file)
{
	*c = (struct checker){ .request = request, .file = file, .first_wrong = PATTERN_NONE,
			       .total = request_total(request) };
}

/* What is left when the pattern is taken off is the verdict, byte by byte. */
static void take_verdict(struct checker *c, const uint8_t *bytes, size_t len)
{
	uint8_t pattern[REQUEST_VERDICT_BYTES];
	uint64_t at = c->pos - (c->total - REQUEST_VERDICT_BYTES);

	pattern_fill(pattern, len, c->request->stream, c->pos);
	for (size_t i = 0; i < len; i++)
		c->verdict |= (uint64_t)(bytes[i] ^ pattern[i]) << (8 * (at + i));
}

void checker_feed(struct checker *c, const uint8_t *bytes, size_t len)
{
	while (len) {
		uint64_t left;
		enum request_part part = request_part(c->request, c->pos, &left);
		size_t n = len < left ? len : (size_t)left;

		if (part == PART_END) {
			c->extra += len;
			return;
		}
		if (part == PART_VERDICT)
			take_verdict(c, bytes, n);
		else if (part == PART_FILE)
			c->wrong += pattern_diff(bytes, c->file + c->request->file_offset +
						 (c->pos - c->request->head_bytes), n, c->pos,
						 &c->first_wrong);
		else
			c->wrong += pattern_check(bytes, n, c->request->stream, c->pos,
						  &c->first_wrong);
		c->pos += n;
		bytes += n;
		len -= n;
	}
}

uint64_t checker_upload_wrong(const struct checker *c)
{
	return c->verdict - 1;		/* 0 becomes PATTERN_NONE */
}
