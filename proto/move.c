/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * move.c - the messages about moved connections and their files
 *
 * Runs in: hylics-agent, hylics-worker, tests
 * Reads from: the peer on the channel (hostile)
 */
#include "proto/move.h"

#include <errno.h>
#include <string.h>

#include "common/cursor.h"

/* -- what all messages have in common -- */

/* A writer that fails where the room or the longest message of its type ends. */
static struct hy_wr begin(uint8_t *out, size_t room, size_t longest)
{
	return (struct hy_wr){ .p = out, .left = room < longest ? room : longest };
}

/* One of the numbers from @least to @most. */
static uint8_t rd_kind(struct hy_rd *r, uint8_t least, uint8_t most)
{
	uint8_t kind = hy_rd_u8(r);

	r->bad |= kind < least || kind > most;
	return kind;
}

/* All that is left. */
static const uint8_t *rd_rest(struct hy_rd *r, uint32_t *len)
{
	*len = (uint32_t)r->left;
	return hy_rd_take(r, r->left);
}

static void check_span(struct hy_rd *r, uint64_t from, uint64_t len)
{
	r->bad |= from > INT64_MAX || len > INT64_MAX - from;
}

static bool is_whole(const struct hy_rd *r)
{
	return !r->bad && r->left == 0;
}

/* -- making and ending connections -- */

int move_offer_encode(const struct move_offer *m, uint8_t *out, size_t room)
{
	struct hy_wr w = begin(out, room, MOVE_OFFER_MAX);

	hy_wr_le64(&w, m->down);
	hy_wr_le64(&w, m->up);
	hy_wr_le32(&w, m->rest);
	hy_wr_le16(&w, m->record_len);
	hy_wr_le16(&w, 0);
	hy_wr_bytes(&w, m->record, m->record_len);
	hy_wr_bytes(&w, m->bytes, m->bytes_len);
	return hy_wr_written(&w, out);
}

int move_offer_decode(const uint8_t *in, size_t len, struct move_offer *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct move_offer got = { 0 };

	r.bad = len > MOVE_OFFER_MAX;
	got.down = hy_rd_number(&r);
	got.up = hy_rd_number(&r);
	got.rest = hy_rd_le32(&r);
	got.record_len = hy_rd_le16(&r);
	r.bad |= hy_rd_le16(&r) != 0;
	got.record = hy_rd_take(&r, got.record_len);
	got.bytes = rd_rest(&r, &got.bytes_len);
	if (!is_whole(&r) || got.record_len == 0)
		return -EPROTO;
	if (got.rest > HY_TCP_QUEUE_MAX - got.bytes_len)
		return -EPROTO;
	*m = got;
	return 0;
}

int move_answer_encode(const struct move_answer *m, uint8_t *out, size_t room)
{
	struct hy_wr w = begin(out, room, MOVE_ANSWER_LEN);

	hy_wr_le16(&w, m->reason);
	return hy_wr_written(&w, out);
}

int move_answer_decode(const uint8_t *in, size_t len, struct move_answer *m)
{
	struct hy_rd r = { .p = in, .left = len };
	uint16_t reason = hy_rd_le16(&r);

	if (!is_whole(&r))
		return -EPROTO;
	/* a newer peer may have reasons this side has no counter for */
	m->reason = reason < MOVE_REASONS ? reason : MOVE_ERROR;
	return 0;
}

int move_end_encode(uint16_t end, uint8_t *out, size_t room)
{
	struct hy_wr w = begin(out, room, MOVE_END_LEN);

	hy_wr_le16(&w, end);
	return hy_wr_written(&w, out);
}

int move_end_decode(const uint8_t *in, size_t len, uint16_t *end)
{
	struct hy_rd r = { .p = in, .left = len };
	uint16_t got = hy_rd_le16(&r);

	if (!is_whole(&r) || got < END_CLOSED || got > END_TIMED_OUT)
		return -EPROTO;
	*end = got;
	return 0;
}

/* -- files -- */

/*
 * Whether a path leads down and nowhere else: names between single slashes, none of them "." or
 * "..". The kernel is told not to leave the share as well.
 */
static bool leads_down(const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 0 || (n == 1 && path[0] == '.') || (n == 2 && !memcmp(path, "..", 2)))
			return false;
		path += n;
		if (*path == '/' && *++path == '\0')
			return false;
	}
	return true;
}

int move_file_encode(const struct move_file *m, uint8_t *out, size_t room)
{
	struct hy_wr w = begin(out, room, MOVE_FILE_MAX);

	hy_wr_le64(&w, m->inode);
	hy_wr_le64(&w, m->size);
	hy_wr_le64(&w, m->mtime_ns);
	hy_wr_u8(&w, m->by_inode);
	hy_wr_text(&w, m->path);
	return hy_wr_written(&w, out);
}

int move_file_decode(const uint8_t *in, size_t len, struct move_file *m)
{
	struct hy_rd r = { .p = in, .left = len };
	uint64_t inode = hy_rd_le64(&r);
	uint64_t size = hy_rd_number(&r);
	uint64_t mtime_ns = hy_rd_le64(&r);
	uint8_t by_inode = rd_kind(&r, 0, 1);
	char path[sizeof(m->path)];

	hy_rd_text(&r, path, sizeof(path));
	if (!is_whole(&r) || path[0] == '\0' || !leads_down(path))
		return -EPROTO;
	m->inode = inode;
	m->size = size;
	m->mtime_ns = mtime_ns;
	m->by_inode = by_inode;
	memcpy(m->path, path, strlen(path) + 1);
	return 0;
}

int move_opened_encode(uint16_t num, uint8_t *out, size_t room)
{
	struct hy_wr w = begin(out, room, MOVE_OPENED_LEN);

	hy_wr_le16(&w, num);
	return hy_wr_written(&w, out);
}

int move_opened_decode(const uint8_t *in, size_t len, uint16_t *num)
{
	struct hy_rd r = { .p = in, .left = len };
	uint16_t got = hy_rd_le16(&r);

	if (!is_whole(&r))
		return -EPROTO;
	*num = got;
	return 0;
}

/* -- what connections say -- */

int move_item_encode(const struct move_item *m, uint8_t *out, size_t room)
{
	struct hy_wr w = begin(out, room, MOVE_ITEM_MAX);

	hy_wr_le64(&w, m->pos);
	hy_wr_u8(&w, m->kind);
	if (m->kind == ITEM_DATA) {
		hy_wr_bytes(&w, m->bytes, m->bytes_len);
	} else if (m->kind == ITEM_SLICE) {
		hy_wr_le32(&w, m->file);
		hy_wr_le64(&w, m->offset);
		hy_wr_le64(&w, m->len);
	}
	return hy_wr_written(&w, out);
}

static void rd_slice(struct hy_rd *r, struct move_item *m)
{
	m->file = hy_rd_le32(r);
	m->offset = hy_rd_le64(r);
	m->len = hy_rd_le64(r);
	r->bad |= m->len == 0 || m->len > HY_SLICE_MAX;
	check_span(r, m->offset, m->len);
}

int move_item_decode(const uint8_t *in, size_t len, struct move_item *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct move_item got = { 0 };

	r.bad = len > MOVE_ITEM_MAX;
	got.pos = hy_rd_number(&r);
	got.kind = rd_kind(&r, ITEM_DATA, ITEM_RESET);
	if (got.kind == ITEM_DATA) {
		got.bytes = rd_rest(&r, &got.bytes_len);
		/* items without bytes could be sent for ever */
		r.bad |= got.bytes_len == 0;
	} else if (got.kind == ITEM_SLICE) {
		rd_slice(&r, &got);
	}
	check_span(&r, got.pos, got.kind == ITEM_SLICE ? got.len : got.bytes_len);
	if (!is_whole(&r))
		return -EPROTO;
	*m = got;
	return 0;
}

int move_pos_encode(const struct move_pos *m, uint8_t *out, size_t room)
{
	struct hy_wr w = begin(out, room, MOVE_POS_LEN);

	hy_wr_le64(&w, m->pos);
	hy_wr_u8(&w, m->again);
	return hy_wr_written(&w, out);
}

int move_pos_decode(const uint8_t *in, size_t len, struct move_pos *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct move_pos got = { .pos = hy_rd_number(&r) };

	got.again = rd_kind(&r, 0, 1);
	if (!is_whole(&r))
		return -EPROTO;
	*m = got;
	return 0;
}

int move_up_encode(const struct move_up *m, uint8_t *out, size_t room)
{
	struct hy_wr w = begin(out, room, MOVE_UP_MAX);

	hy_wr_le64(&w, m->pos);
	hy_wr_bytes(&w, m->bytes, m->bytes_len);
	return hy_wr_written(&w, out);
}

int move_up_decode(const uint8_t *in, size_t len, struct move_up *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct move_up got = { 0 };

	r.bad = len > MOVE_UP_MAX;
	got.pos = hy_rd_number(&r);
	got.bytes = rd_rest(&r, &got.bytes_len);
	check_span(&r, got.pos, got.bytes_len);
	if (!is_whole(&r))
		return -EPROTO;
	*m = got;
	return 0;
}

/* -- after a new session began -- */

int move_resume_encode(const struct move_resume *m, uint8_t *out, size_t room)
{
	struct hy_wr w = begin(out, room, MOVE_RESUME_LEN);

	hy_wr_u8(&w, m->held);
	hy_wr_le64(&w, m->down);
	hy_wr_le64(&w, m->up);
	return hy_wr_written(&w, out);
}

int move_resume_decode(const uint8_t *in, size_t len, struct move_resume *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct move_resume got = { 0 };

	got.held = rd_kind(&r, HELD_OFFERED, HELD_REBUILT);
	got.down = hy_rd_number(&r);
	got.up = hy_rd_number(&r);
	if (!is_whole(&r))
		return -EPROTO;
	*m = got;
	return 0;
}

int move_resumed_encode(const struct move_resumed *m, uint8_t *out, size_t room)
{
	struct hy_wr w = begin(out, room, MOVE_RESUME_LEN);

	hy_wr_u8(&w, m->known);
	hy_wr_le64(&w, m->down);
	hy_wr_le64(&w, m->up);
	return hy_wr_written(&w, out);
}

int move_resumed_decode(const uint8_t *in, size_t len, struct move_resumed *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct move_resumed got = { 0 };

	got.known = rd_kind(&r, 0, 1);
	got.down = hy_rd_number(&r);
	got.up = hy_rd_number(&r);
	if (!is_whole(&r) || (!got.known && (got.down || got.up)))
		return -EPROTO;
	*m = got;
	return 0;
}

/* -- addresses -- */

#define WIRE_IP4 4
#define WIRE_IP6 6

int move_addresses_encode(const struct move_address *a, unsigned int n, uint8_t *out, size_t room)
{
	struct hy_wr w = begin(out, room, MOVE_ADDRESSES_MAX);

	hy_wr_le16(&w, (uint16_t)n);
	for (unsigned int i = 0; i < n && !w.bad; i++) {
		hy_wr_bytes(&w, a[i].mac, sizeof(a[i].mac));
		hy_wr_u8(&w, a[i].family == MOVE_FAMILY_IP4 ? WIRE_IP4 : WIRE_IP6);
		hy_wr_bytes(&w, a[i].addr, sizeof(a[i].addr));
	}
	return hy_wr_written(&w, out);
}

static void rd_address(struct hy_rd *r, struct move_address *a)
{
	static const uint8_t zeros[sizeof(a->addr)];
	const uint8_t *mac = hy_rd_take(r, sizeof(a->mac));
	uint8_t family = hy_rd_u8(r);
	const uint8_t *addr = hy_rd_take(r, sizeof(a->addr));

	if (r->bad)
		return;
	memcpy(a->mac, mac, sizeof(a->mac));
	a->family = family == WIRE_IP4 ? MOVE_FAMILY_IP4 : MOVE_FAMILY_IP6;
	memcpy(a->addr, addr, sizeof(a->addr));
	if (family == WIRE_IP4)
		r->bad = memcmp(addr + 4, zeros, sizeof(zeros) - 4) != 0;
	else
		r->bad = family != WIRE_IP6;
}

int move_addresses_decode(const uint8_t *in, size_t len, struct move_address *a, unsigned int *n)
{
	struct hy_rd r = { .p = in, .left = len };
	struct move_address got[HY_TWIN_ADDRS_MAX];
	unsigned int count = hy_rd_le16(&r);

	if (count > HY_TWIN_ADDRS_MAX)
		return -EPROTO;
	for (unsigned int i = 0; i < count; i++)
		rd_address(&r, &got[i]);
	if (!is_whole(&r))
		return -EPROTO;
	memcpy(a, got, count * sizeof(got[0]));
	*n = count;
	return 0;
}
