/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frame.c - frames of the channel between host and guest: bytes to structs and back
 *
 * Runs in: hylics-worker, hylics-agent, tests
 * Reads from: the peer on the channel (hostile)
 */
#include "proto/frame.h"

#include <errno.h>
#include <string.h>

#include "common/cursor.h"

size_t frame_encode(const struct frame *f, uint8_t *out)
{
	struct hy_wr w = { .p = out, .left = FRAME_OVERHEAD + (size_t)f->len };

	hy_wr_u8(&w, FRAME_MAGIC);
	hy_wr_u8(&w, FRAME_VERSION);
	hy_wr_le16(&w, f->type);
	hy_wr_le32(&w, f->id);
	hy_wr_le32(&w, f->epoch);
	hy_wr_le32(&w, f->total);
	hy_wr_le32(&w, f->offset);
	hy_wr_le16(&w, f->len);
	hy_wr_le16(&w, 0);
	hy_wr_bytes(&w, f->payload, f->len);
	hy_wr_u8(&w, 0);
	return FRAME_OVERHEAD + (size_t)f->len;
}

bool frame_is_closed(const struct frame *f, const uint8_t *in)
{
	return in[FRAME_HEADER_LEN + f->len] == 0;
}

int frame_decode_header(const uint8_t *in, struct frame *f)
{
	struct hy_rd r = { .p = in, .left = FRAME_HEADER_LEN };
	uint8_t magic = hy_rd_u8(&r);
	uint8_t version = hy_rd_u8(&r);
	struct frame got = {
		.type = hy_rd_le16(&r),
		.id = hy_rd_le32(&r),
		.epoch = hy_rd_le32(&r),
		.total = hy_rd_le32(&r),
		.offset = hy_rd_le32(&r),
		.len = hy_rd_le16(&r),
	};
	uint16_t zero = hy_rd_le16(&r);

	if (r.bad || r.left || magic != FRAME_MAGIC || version != FRAME_VERSION || zero)
		return -EPROTO;
	if (got.len > HY_CHUNK_MAX || got.total > HY_MESSAGE_MAX)
		return -EPROTO;
	if (got.offset > got.total || got.len > got.total - got.offset)
		return -EPROTO;
	if (got.len == 0 && got.total != 0)
		return -EPROTO;		/* a chunk that brings nothing could be sent for ever */
	*f = got;
	return 0;
}

size_t frame_find_mark(const uint8_t *buf, size_t len)
{
	const uint8_t *p = buf;
	size_t left = len;

	while (left >= FRAME_MARK_LEN) {
		const uint8_t *hit = memchr(p, FRAME_MARK[0] & 0xff, left - FRAME_MARK_LEN + 1);

		if (!hit)
			break;
		if (memcmp(hit, FRAME_MARK, FRAME_MARK_LEN) == 0)
			return (size_t)(hit - buf);
		left -= (size_t)(hit + 1 - p);
		p = hit + 1;
	}
	return len;
}

size_t frame_begun_mark(const uint8_t *buf, size_t len)
{
	size_t n = len < FRAME_MARK_LEN - 1 ? len : FRAME_MARK_LEN - 1;

	while (n > 0 && memcmp(buf + len - n, FRAME_MARK, n) != 0)
		n--;
	return n;
}

size_t frame_chunk_len(const uint8_t *rest, size_t left, size_t max)
{
	size_t len = left < max ? left : max;
	size_t mark = frame_find_mark(rest, len);

	return mark < len ? mark + 1 : len;
}
