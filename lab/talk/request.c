/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * request.c - what a client asks for, and which byte of the answer is of what kind
 *
 * Runs in: hylics-talk
 * Reads from: bytes of a client, by the server (strict)
 */
#include "lab/talk/request.h"

#include "common/cursor.h"
#include "lab/talk/talk_limits.h"

void request_encode(const struct request *r, uint8_t out[REQUEST_BYTES])
{
	struct hy_wr w = { .p = out, .left = REQUEST_BYTES };

	hy_wr_le32(&w, REQUEST_MAGIC);
	hy_wr_le32(&w, REQUEST_VERSION);
	hy_wr_le64(&w, r->stream);
	hy_wr_le64(&w, r->head_bytes);
	hy_wr_le64(&w, r->file_offset);
	hy_wr_le64(&w, r->file_bytes);
	hy_wr_le64(&w, r->tail_bytes);
	hy_wr_le64(&w, r->upload_bytes);
	hy_wr_le64(&w, r->slice_bytes);
	hy_wr_le32(&w, r->flags);
	hy_wr_le32(&w, 0);
}

const char *request_decode(struct request *r, const uint8_t bytes[REQUEST_BYTES],
			   uint64_t file_size)
{
	struct hy_rd in = { .p = bytes, .left = REQUEST_BYTES };
	struct request got;
	const char *fault;

	if (hy_rd_le32(&in) != REQUEST_MAGIC)
		return "not a request";
	if (hy_rd_le32(&in) != REQUEST_VERSION)
		return "another version";
	got.stream = hy_rd_le64(&in);
	got.head_bytes = hy_rd_le64(&in);
	got.file_offset = hy_rd_le64(&in);
	got.file_bytes = hy_rd_le64(&in);
	got.tail_bytes = hy_rd_le64(&in);
	got.upload_bytes = hy_rd_le64(&in);
	got.slice_bytes = hy_rd_le64(&in);
	got.flags = hy_rd_le32(&in);
	if (hy_rd_le32(&in) != 0 || in.bad || in.left)
		return "not a request";
	fault = request_fault(&got, file_size);
	if (!fault)
		*r = got;
	return fault;
}

const char *request_fault(const struct request *r, uint64_t file_size)
{
	if (r->head_bytes > TALK_PART_MAX || r->file_bytes > TALK_PART_MAX ||
	    r->tail_bytes > TALK_PART_MAX || r->upload_bytes > TALK_PART_MAX ||
	    r->slice_bytes > TALK_PART_MAX)
		return "too many bytes";
	if (r->file_offset > file_size || r->file_bytes > file_size - r->file_offset)
		return "beyond the end of the file";
	if (r->flags & ~(uint32_t)REQUEST_FLAGS_ALL)
		return "unknown flags";
	if (r->upload_bytes && r->tail_bytes < REQUEST_VERDICT_BYTES)
		return "an upload needs a tail of at least 8 bytes";
	return NULL;
}

uint64_t request_total(const struct request *r)
{
	return r->head_bytes + r->file_bytes + r->tail_bytes;
}

enum request_part request_part(const struct request *r, uint64_t pos, uint64_t *left)
{
	uint64_t verdict = r->upload_bytes ? REQUEST_VERDICT_BYTES : 0;
	const uint64_t size[] = {
		[PART_HEAD] = r->head_bytes, [PART_FILE] = r->file_bytes,
		[PART_TAIL] = r->tail_bytes - verdict, [PART_VERDICT] = verdict,
	};

	for (int part = PART_HEAD; part < PART_END; part++) {
		if (pos < size[part]) {
			*left = size[part] - pos;
			return (enum request_part)part;
		}
		pos -= size[part];
	}
	*left = 0;
	return PART_END;
}

uint64_t request_upload_stream(const struct request *r)
{
	return ~r->stream;
}
