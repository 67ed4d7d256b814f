/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * why.c - what the agent tells of connections that were not moved: a packet for each reason
 *
 * Runs in: hylics-agent, hylics-guest
 * Reads from: any program of the guest (hostile to the agent); the agent's answers are checked too
 */
#include "proto/why.h"

#include <errno.h>
#include <string.h>

#include "common/cursor.h"
#include "proto/reason.h"

size_t why_encode_ask(uint32_t id, const struct local_ask_why *m, uint8_t *out)
{
	struct hy_wr w = local_begin(LOCAL_ASK_WHY, id, out);

	hy_wr_le16(&w, m->reason);
	return LOCAL_PACKET_MAX - w.left;
}

int why_decode_ask(const uint8_t *in, size_t len, struct local_ask_why *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct local_ask_why got;

	hy_rd_take(&r, LOCAL_HEADER_LEN);
	got.reason = hy_rd_le16(&r);
	if (r.bad || r.left || got.reason == MOVE_DONE || got.reason >= MOVE_REASONS)
		return -EPROTO;
	*m = got;
	return 0;
}

static void wr_address(struct hy_wr *w, const struct why_address *a)
{
	hy_wr_u8(w, a->family);
	hy_wr_le16(w, a->port);
	hy_wr_bytes(w, a->addr, sizeof(a->addr));
}

static void rd_address(struct hy_rd *r, struct why_address *a)
{
	const uint8_t *bytes;

	a->family = hy_rd_u8(r);
	a->port = hy_rd_le16(r);
	bytes = hy_rd_take(r, sizeof(a->addr));
	if (bytes)
		memcpy(a->addr, bytes, sizeof(a->addr));
	r->bad |= a->family != 0 && a->family != 4 && a->family != 6;
}

static void wr_example(struct hy_wr *w, const struct why_example *e)
{
	hy_wr_u8(w, e->by);
	hy_wr_le64(w, e->when_ms);
	hy_wr_le32(w, e->pid);
	hy_wr_le32(w, e->user);
	hy_wr_le32(w, e->number);
	hy_wr_le64(w, e->dev);
	hy_wr_le64(w, e->ino);
	hy_wr_le64(w, e->offset);
	hy_wr_le64(w, e->bytes);
	wr_address(w, &e->local);
	wr_address(w, &e->peer);
	hy_wr_text(w, e->program);
	hy_wr_text(w, e->path);
}

static void rd_example(struct hy_rd *r, struct why_example *e)
{
	e->by = hy_rd_u8(r);
	e->when_ms = hy_rd_le64(r);
	e->pid = hy_rd_le32(r);
	e->user = hy_rd_le32(r);
	e->number = hy_rd_le32(r);
	e->dev = hy_rd_le64(r);
	e->ino = hy_rd_le64(r);
	e->offset = hy_rd_le64(r);
	e->bytes = hy_rd_le64(r);
	rd_address(r, &e->local);
	rd_address(r, &e->peer);
	hy_rd_text(r, e->program, sizeof(e->program));
	hy_rd_text(r, e->path, sizeof(e->path));
	r->bad |= e->by >= WHY_BYS;
}

size_t why_encode(uint32_t id, const struct local_why *m, uint8_t *out)
{
	struct hy_wr w = local_begin(LOCAL_WHY, id, out);

	hy_wr_le16(&w, m->reason);
	hy_wr_u8(&w, m->seen);
	hy_wr_le64(&w, m->calls);
	hy_wr_le64(&w, m->conns);
	if (m->seen == WHY_HERE)
		wr_example(&w, &m->last);
	return LOCAL_PACKET_MAX - w.left;
}

int why_decode(const uint8_t *in, size_t len, struct local_why *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct local_why got = { 0 };

	hy_rd_take(&r, LOCAL_HEADER_LEN);
	got.reason = hy_rd_le16(&r);
	got.seen = hy_rd_u8(&r);
	got.calls = hy_rd_le64(&r);
	got.conns = hy_rd_le64(&r);
	if (got.seen == WHY_HERE)
		rd_example(&r, &got.last);
	if (r.bad || r.left || got.seen >= WHY_SEENS || got.reason >= MOVE_REASONS)
		return -EPROTO;
	*m = got;
	return 0;
}
